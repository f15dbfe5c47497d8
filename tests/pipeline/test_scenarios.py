"""Recipes of other shapes: several teachers, none, other inputs for a teacher, several sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import kd2edge, succeed
from faulty import Project
from kd2edge.distill import TrainingJob, TrainResult, train
from kd2edge.pipeline.steps import training
from products import BERT, TEXT_RECIPE, write_text_project

ONE_TEACHER = TEXT_RECIPE[TEXT_RECIPE.index("teachers:") : TEXT_RECIPE.index("student:")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(write_text_project(tmp_path))
    project.edit("train: {epochs: 3", "train: {epochs: 1")
    return project


def distilled(project: Project) -> dict[str, Any]:
    run = project.folder / "runs" / "tiny"
    succeed("distill", project.recipe, "--run-dir", run)
    succeed("report", run)
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def test_a_teacher_for_each_task(project: Project) -> None:
    train = "train: {epochs: 1, lr: 5.0e-3, batch_size: 16}"
    model = f"model:\n      family: transformers{BERT}"
    teachers = "".join(
        f"  - name: {name}\n    tasks: [{task}]\n    {model}\n    {train}\n"
        for name, task in (("bert", "intent"), ("ernie", "urgent"))
    )
    project.edit(ONE_TEACHER, f"teachers:\n{teachers}")
    report = distilled(project)
    assert report["models"]["teacher"]["names"] == ["bert", "ernie"]
    assert report["curves"].keys() == {"bert", "ernie", "baseline", "student"}
    for models in report["splits"]["test"]["tasks"].values():
        assert models.keys() == {"teacher", "baseline", "student"}


def test_no_teacher_at_all(project: Project) -> None:
    text = project.recipe.read_text(encoding="utf-8")
    begin, end = text.index("distill:"), text.index("baseline:")
    text = text[:begin] + "distill: {alpha: 0}\n" + text[end:]
    text = text.replace(ONE_TEACHER, "").replace("  init: {from: bert, embeddings: svd}\n", "")
    begin, end = text.index("  unlabelled:"), text.index("inputs:")
    project.recipe.write_text(text[:begin] + text[end:], encoding="utf-8")
    report = distilled(project)
    assert report["models"].keys() == {"student"}
    assert report["splits"]["test"]["gain"] == {}


def test_a_teacher_with_inputs_of_its_own(project: Project) -> None:
    """It keeps its whole vocabulary and its case, the student's is cut."""
    own = (
        "    inputs: {text: {kind: text, tokenizer: {path: tokenizer.json}, max_length: 16, "
        "casing: true}}\nstudent:\n"
    )
    project.edit("student:\n", own)
    # Other words per row than the student's: features need the same words, and have them.
    distilled(project)
    run = project.folder / "runs" / "tiny"
    student = json.loads((run / "student.json").read_text(encoding="utf-8"))
    teacher = json.loads((run / "teachers" / "bert.json").read_text(encoding="utf-8"))
    assert student["vocabulary"]["text"] < teacher["vocabulary"]["text"]
    assert teacher["inputs"][0]["options"]["casing"] is True
    assert student["inputs"][0]["options"]["casing"] is False


def test_rows_of_several_kinds_are_joined(project: Project) -> None:
    rows = [json.loads(line) for line in project.lines("train")]
    lines = [f"{row['text']},{row['intent']}" for row in rows[:10]]
    csv = "\n".join(["utterance,label", *lines]) + "\n"
    (project.folder / "more.csv").write_text(csv, encoding="utf-8")
    source = (
        "    - {name: table, kind: csv, train: more.csv, tasks: [intent], "
        "columns: {text: utterance, intent: label}}\n  unlabelled:"
    )
    project.edit("  unlabelled:", source)
    plan = succeed("check", project.recipe, "--json").json
    assert plan["rows"]["train"] == 48 + 10 + 12
    assert plan["tasks"]["intent"]["labelled"] == 58
    assert plan["tasks"]["urgent"]["labelled"] < 48


def test_the_plan_says_what_a_person_asks(project: Project) -> None:
    result = succeed("check", project.recipe)
    for words in (
        "rows       train 60, validation 24, test 24",
        "task       intent: classification, 3 labels, 48 labelled in train, metric macro_f1, ",
        "max_drop 0.50 points",
        "model      bert: ", "model      student: ", " steps",
        "cache      about ", "input      text: max_length cuts 0.0% of the training rows",
    ):  # fmt: skip
        assert words in result.out
    assert not (project.folder / "runs").exists()


@pytest.mark.parametrize("sources", [1, 2])
def test_the_plan_counts_what_will_be_trained(project: Project, sources: int) -> None:
    if sources == 2:  # a task each, so that no row has a label of both
        text = project.recipe.read_text(encoding="utf-8")
        begin, end = text.index("    - name: bank"), text.index("  unlabelled:")
        again = text[begin:end].replace("name: bank", "name: other\n      tasks: [urgent]")
        project.edit("name: bank", "name: bank\n      tasks: [intent]")
        project.edit("  unlabelled:", f"{again}  unlabelled:")
    plan = succeed("check", project.recipe, "--json").json
    report = distilled(project)
    for name, model in plan["models"].items():
        found = report["models"].get(name, report["models"]["teacher"])
        assert model["parameters"] == found["parameters"]
        assert model["steps"] == found["steps"]
    assert plan["models"].keys() == {"bert", "student", "baseline"}


def test_rows_in_two_splits_are_counted_and_dropped_on_demand(project: Project) -> None:
    lines = project.lines("test")
    project.write("train", [*project.lines("train"), *lines[:3]])
    plan = succeed("check", project.recipe, "--json").json
    assert plan["leaks"] == {"train and test": 3}
    project.edit("  unlabelled:", "  leaks: drop\n  unlabelled:")
    plan = succeed("check", project.recipe, "--json").json
    assert plan["leaks"] == {}
    assert plan["rows"]["train"] == 60


def test_long_rows_are_reported_as_cut(project: Project) -> None:
    project.edit("max_length: 12", "max_length: 4")
    share = succeed("check", project.recipe, "--json").json["truncated"]["text"]
    assert 0.5 < share <= 1


def test_what_is_cut_is_counted_in_every_split(project: Project) -> None:
    project.change("test", 2, text="please " * 20)
    project.change("validation", 3, text="please " * 20)
    project.change("validation", 5, text="hello " * 20)
    plan = succeed("check", project.recipe, "--json").json
    assert plan["truncated"]["text"] == 0
    assert {split: one["cut"] for split, one in plan["cut"]["text"].items()} == {
        "train": 0,
        "validation": 2,
        "test": 1,
    }
    assert plan["cut"]["text"]["test"] == {"rows": 24, "cut": 1, "sample": False}
    said = succeed("check", project.recipe).out
    assert "of the training rows: 0 of 60 in train, 2 of 24 in validation, 1 of 24 in test" in said


def test_labels_that_a_split_lacks_are_named(project: Project) -> None:
    for split in ("validation", "test"):
        for line, text in enumerate(project.lines(split), start=1):
            if '"cancel"' in text:
                project.change(split, line, intent="greet")
    plan = succeed("check", project.recipe, "--json").json["tasks"]["intent"]
    assert plan["absent"] == {"train": [], "validation": ["cancel"], "test": ["cancel"]}
    said = succeed("check", project.recipe).out
    assert "labels without a validation row: cancel" in said
    assert "labels without a test row: cancel" in said


def test_a_metric_that_cannot_be_computed_is_null(project: Project) -> None:
    """The area under the curve of a test split in which nobody is urgent."""
    for line in range(1, len(project.lines("test")) + 1):
        project.change("test", line, urgent="no")
    report = distilled(project)
    student = report["splits"]["test"]["tasks"]["urgent"]["student"]["metrics"]
    assert student["auc"]["value"] is None
    assert "both labels" in student["auc"]["reason"]
    assert np.isfinite(student["accuracy"]["value"])
    succeed("export", project.folder / "runs" / "tiny", "--out", project.folder / "b", "--onnx")


def test_a_cache_may_be_shared_by_runs(project: Project) -> None:
    cache = project.folder / "cache"
    for name in ("one", "two"):
        run = project.folder / name
        more = ["--set", "baseline=false", "--cache-dir", cache]
        result = succeed("distill", project.recipe, "--run-dir", run, *more)
    (cache / "mine.txt").write_text("keep me", encoding="utf-8")
    assert not (project.folder / "one" / "cache").exists()
    assert "cache bert         0.0 MB  (done before)" in result.err
    assert kd2edge("distill", project.recipe, "--run-dir", run, "--recache", *more).code == 0
    assert (cache / "mine.txt").exists()  # only what is kd2edge's is forgotten


def test_a_head_of_a_training_says_which_rows_it_uses_and_rows_left_out_are_counted(
    project: Project,
) -> None:
    project.edit("urgent: {kind", "urgent: {column: urgent, kind")
    run = project.folder / "run"
    said = succeed("distill", project.recipe, "--run-dir", run).err
    heads = {line.split("  ")[0]: line for line in said.splitlines() if not line.startswith(" ")}
    # The teacher learns from labelled rows, the student from those that it speaks about, too.
    train = len(project.lines("train"))
    assert f"{train:,} rows of {train + 12:,}, the others have no label; " in heads["teacher bert"]
    assert f"{train + 12:,} rows; 1 epoch, 4 steps" in heads["student"]
    # The baseline has its steps, from labelled rows alone: more epochs.
    assert "have no label; 2 epochs, 4 steps" in heads["baseline"]
    own = ["--set", "baseline={epochs: 3}"]
    said = succeed("distill", project.recipe, "--run-dir", project.folder / "own", *own).err
    assert "have no label; 3 epochs, 9 steps" in said
    assert succeed("check", project.recipe, "--json", *own).json["models"]["baseline"]["steps"] == 9
    left = "more: 1 of 13 rows left out: 1 stand in validation or test"
    assert left in said
    assert left in succeed("check", project.recipe).out


def test_the_baseline_starts_where_the_student_starts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: dict[str, dict[str, torch.Tensor]] = {}

    def noted(job: TrainingJob, **how: Any) -> TrainResult:
        begun[job.name] = {name: one.clone() for name, one in job.build().state_dict().items()}
        return train(job, **how)

    monkeypatch.setattr(training, "train", noted)
    distilled(project)
    from_teacher = begun["student"]
    assert all(torch.equal(one, begun["baseline"][name]) for name, one in from_teacher.items())
    project.edit("init: {from: bert, embeddings: svd}", "init: null")
    distilled(project)
    moved = {n for n, one in begun["baseline"].items() if not torch.equal(one, from_teacher[n])}
    assert any("word_embeddings" in name for name in moved), moved
