"""What is refused before any training: rows, labels, and metrics that do not fit them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kd2edge.errors import Problem, RecipeError
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound
from kd2edge.pipeline.verbs.gallery import started
from kd2edge.recipe import load_recipe
from kd2edge.tasks.spec import TaskName
from products import QUICKSTART, write_jsonl, write_text_project, write_token_project


def problems_of(recipe: Path, *overrides: str) -> list[Problem]:
    loaded = load_recipe(recipe, overrides=overrides)
    with pytest.raises(RecipeError) as caught:
        require_sound(loaded, prepare_data(loaded))
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("tasks.pos.metrics=[accuracy, entity_f1]", "tasks.pos.metrics"),
        ("tasks.pos.metric=entity_f1", "tasks.pos.metric"),
    ],
)
def test_a_metric_that_the_labels_have_no_value_for_is_refused(
    tmp_path: Path, override: str, field: str
) -> None:
    (problem,) = problems_of(write_token_project(tmp_path), override)
    assert problem.field == field
    assert "entity_f1 needs labels O, B-x, I-x (or E-x and S-x too: BIOES)" in problem.message
    assert "found 'MARK'; use accuracy" in problem.message


def test_problems_of_all_splits_come_at_once_and_the_rest_are_counted(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    (tmp_path / "test.jsonl").write_text("", encoding="utf-8")
    with (tmp_path / "train.jsonl").open("a", encoding="utf-8") as file:
        labels = {"intent": "greet", "urgent": None}
        wrong = ({**labels, **{f"c{at}": 0 for at in range(count)}} for count in range(25))
        file.writelines(json.dumps(row) + "\n" for row in wrong)  # no text, ever more columns
    *found, empty, last = problems_of(recipe)
    assert len(found) == 20
    assert all(problem.file.endswith("train.jsonl") and problem.line for problem in found)
    assert empty.message == "split test has no rows"
    # A message names 20 columns: rows of more of them say the same, and are told as one.
    assert last.message == "... and 2 more problems"


def test_one_mistake_in_a_recipe_is_one_line_with_a_count_and_the_remedy(tmp_path: Path) -> None:
    (problem,) = problems_of(
        write_token_project(tmp_path), "inputs.tokens.kind=text", "inputs.tokens.columns=[tokens]"
    )
    assert problem.field == "input tokens"
    assert "a list of words is an input of kind: tokens" in problem.message
    assert "train.jsonl" in problem.file
    assert "likewise" in problem.message
    assert "validation.jsonl:1" in problem.message
    assert "test.jsonl:1" in problem.message


@pytest.mark.parametrize("split", ["validation", "test"])
def test_auc_cannot_decide_where_a_split_has_one_label(tmp_path: Path, split: str) -> None:
    recipe = write_text_project(tmp_path)
    auc = "tasks.urgent.metric=auc"
    _keep(tmp_path / f"{split}.jsonl", lambda label: label != "no")
    (problem,) = problems_of(recipe, auc)
    assert problem.field == "tasks.urgent.metric"
    assert f"the {split} split has only 'yes'" in problem.message
    loaded = load_recipe(recipe)  # reported only: the report says why it has no value
    require_sound(loaded, prepare_data(loaded))


REJECT = "tasks.intent.reject={label: cancel}"


def test_a_task_that_rejects_knows_the_label_and_its_usual_metrics(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    loaded = load_recipe(recipe, overrides=[REJECT])
    task = prepare_data(loaded).tasks[TaskName("intent")]
    assert task.decode == {"reject": task.labels.index("cancel"), "least_probability": 0.0}
    own = ("macro_f1", "accuracy", "in_scope_recall", "out_of_scope_recall")
    assert task.metrics == own
    loaded = load_recipe(recipe, overrides=[REJECT, "tasks.intent.metrics=[weighted_f1]"])
    assert prepare_data(loaded).tasks[TaskName("intent")].metrics == ("macro_f1", "weighted_f1")


def test_a_reject_label_that_nobody_knows_is_refused_with_the_one_that_is_meant(
    tmp_path: Path,
) -> None:
    (problem,) = problems_of(write_text_project(tmp_path), "tasks.intent.reject={label: cancle}")
    assert problem.field == "tasks.intent.reject.label"
    assert problem.message == "unknown label 'cancle'; did you mean 'cancel'?"


def test_the_best_accuracy_needs_validation_rows_out_of_scope(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    _keep(tmp_path / "validation.jsonl", lambda label: label != "cancel", "intent")
    (problem,) = problems_of(recipe, REJECT)
    assert problem.field == "tasks.intent.reject"
    assert "none of them has the label 'cancel'" in problem.message
    share = "tasks.intent.reject={label: cancel, in_scope_recall: 0.97}"
    loaded = load_recipe(recipe, overrides=[share])
    require_sound(loaded, prepare_data(loaded))


def test_a_threshold_needs_validation_rows_in_scope(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    _keep(tmp_path / "validation.jsonl", lambda label: label == "cancel", "intent")
    share = "tasks.intent.reject={label: cancel, in_scope_recall: 0.97}"
    (problem,) = problems_of(recipe, share)
    assert problem.field == "tasks.intent.reject"
    assert "every labelled validation row has the label 'cancel'" in problem.message


def test_prototypes_need_training_rows_in_scope(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    how = "tasks.intent.reject={label: cancel, by: distance, prototypes: 4, in_scope_recall: 0.9}"
    loaded = load_recipe(recipe, overrides=[how])
    task = prepare_data(loaded).tasks[TaskName("intent")]
    assert task.decode["prototypes_asked"] == 4
    require_sound(loaded, prepare_data(loaded))
    _keep(tmp_path / "train.jsonl", lambda label: label == "cancel", "intent")
    found = problems_of(recipe, how, "tasks.intent.labels=[cancel, book, play]")
    (problem,) = [one for one in found if one.field == "tasks.intent.reject.by"]
    assert "training rows other than 'cancel', and there are none" in problem.message


def test_prototypes_are_for_distances(tmp_path: Path) -> None:
    how = "tasks.intent.reject={label: cancel, by: energy, prototypes: 4}"
    (problem,) = problems_of(write_text_project(tmp_path), how)
    assert problem.field == "tasks.intent.reject.prototypes"
    assert problem.message == "there are no prototypes by energy: let by be distance, or leave it"


@pytest.mark.parametrize("split", ["validation", "test"])
def test_recall_out_of_scope_cannot_decide_where_all_rows_are_in_scope(
    tmp_path: Path, split: str
) -> None:
    recipe = write_text_project(tmp_path)
    _keep(tmp_path / f"{split}.jsonl", lambda label: label != "cancel", "intent")
    how = "tasks.intent.reject={label: cancel, in_scope_recall: 0.9}"
    (problem,) = problems_of(recipe, how, "tasks.intent.metric=out_of_scope_recall")
    assert problem.field == "tasks.intent.metric"
    assert f"with the label 'cancel', the {split} split has none" in problem.message


def test_recall_out_of_scope_is_of_tasks_that_reject(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    (problem,) = problems_of(recipe, "tasks.intent.metric=out_of_scope_recall")
    assert problem.field == "tasks.intent.metric"
    assert "needs a task that rejects; state `reject: {label: ...}`" in problem.message


def test_the_words_of_a_raw_text_are_counted_as_its_tokenizer_cuts_them(tmp_path: Path) -> None:
    recipe = write_token_project(tmp_path)
    raw = "inputs.tokens.kind=text"
    for split in ("train", "validation", "test"):
        _change(tmp_path / f"{split}.jsonl", lambda row: {"tokens": " ".join(row["tokens"])})
    loaded = load_recipe(recipe, overrides=[raw])
    require_sound(loaded, prepare_data(loaded))
    _change(tmp_path / "test.jsonl", lambda row: {"tokens": row["tokens"] + " ."})
    found = problems_of(recipe, raw)
    assert sorted(problem.field for problem in found) == ["task ner", "task pos"]  # one a mistake
    assert all("as an input of kind tokens" in problem.message for problem in found)


def test_images_must_fit_a_teacher_too_that_sees_them_otherwise(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(started("quickstart", "mine"), encoding="utf-8")
    other = "{image: {kind: image, size: [56, 96], resize: %s}}"
    few = QUICKSTART[:2]
    resized = [*few, f"teachers.0.inputs={other % 'true'}"]
    loaded = load_recipe(recipe, overrides=resized)
    require_sound(loaded, prepare_data(loaded))
    found = problems_of(recipe, *few, f"teachers.0.inputs={other % 'false'}")
    (problem,) = found
    assert problem.field == "input image of resnet"
    assert problem.message.count("likewise ") == 2  # the other splits
    assert "expected 56 x 96 pixels" in found[0].message


def _change(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(path, [row | change(row) for row in rows])


def _keep(path: Path, wanted: Callable[[str | None], bool], column: str = "urgent") -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(path, [row for row in rows if wanted(row[column])])
