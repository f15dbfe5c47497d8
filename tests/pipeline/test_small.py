"""Settings, log, JSON without NaN, model inputs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kd2edge.distill import LongTailSpec, Method, Support
from kd2edge.distill.schedules.by_class import ByClass
from kd2edge.distill.schedules.cosine import Cosine
from kd2edge.distill.schedules.linear import Linear
from kd2edge.errors import UsageError
from kd2edge.events import StageEvent
from kd2edge.export.targets import TARGETS
from kd2edge.pipeline.reading.model_inputs import student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import (
    baseline_settings,
    feature_specs,
    student_settings,
    teacher_settings,
)
from kd2edge.pipeline.steps.events import Log
from kd2edge.pipeline.steps.finite import finite
from kd2edge.pipeline.verbs.exporting import _assert_makes_one
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.recipe.schema import Recipe
from kd2edge.recipe.schema.base import FOLDER
from kd2edge.recipe.schema.distill import Distill
from kd2edge.recipe.schema.teaching import Teaching
from kd2edge.recipe.schema.train import Baseline
from kd2edge.rows.check import SplitCheck
from kd2edge.rows.jsonl import JsonlRows
from kd2edge.tasks.spec import TaskName
from products import write_text_project

TASKS = [TaskName("intent"), TaskName("urgent")]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedRecipe:
    return load_recipe(write_text_project(tmp_path))


@pytest.fixture
def check(loaded: LoadedRecipe) -> SplitCheck:
    return prepare_data(loaded).checks["train"]


def test_json_has_no_nan() -> None:
    value = {"a": (1.0, math.nan), "b": {"c": -math.inf, "d": [True, None, "x", 3]}}
    assert finite(value) == {"a": [1.0, None], "b": {"c": None, "d": [True, None, "x", 3]}}


def test_the_log_holds_what_stays_and_hands_on_everything(tmp_path: Path) -> None:
    heard: list[object] = []
    with Log(tmp_path / "log.jsonl", heard.append) as log:
        log(StageEvent("rows", "3 train"))
        log(_step())
    with Log(tmp_path / "log.jsonl", heard.append) as log:
        log(StageEvent("report"))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["event"], line["stage"]) for line in lines] == [
        ("StageEvent", "rows"),
        ("StageEvent", "report"),
    ]
    assert [type(event).__name__ for event in heard] == ["StageEvent", "StepEvent", "StageEvent"]


def _step() -> object:
    from kd2edge.events import StepEvent

    return StepEvent(1, 2, 1, 1, {}, 0.1, 0.0, 0.0)


def test_a_target_that_was_asked_for_makes_something() -> None:
    for maker in TARGETS.values():
        for precision in ("fp32", "fp16", "int8"):
            if precision in maker.precisions:
                _assert_makes_one(maker, ["bf16", precision])
            else:
                with pytest.raises(UsageError, match=f"{maker.name} .* makes none of {precision}"):
                    _assert_makes_one(maker, [precision])


def test_the_student_s_settings_are_the_recipe_s(loaded: LoadedRecipe, check: SplitCheck) -> None:
    settings = student_settings(loaded.recipe, TASKS, check)
    assert settings.epochs == 3
    assert settings.seed == 3
    assert settings.distill.alpha == {"intent": 0.7, "urgent": 0.5}
    assert settings.distill.temperature == {"intent": 2.0, "urgent": 2.0}
    assert settings.distill.balance.kind == "uncertainty"
    assert settings.distill.long_tail == {}
    (feature,) = settings.distill.features
    assert (feature.sources, feature.targets) == (("encoder.layer.1",), ("encoder.layer.0",))
    assert (feature.loss.kind, feature.projector, feature.standardise) == ("cosine", None, "none")


def test_schedules_of_the_student_are_the_recipe_s(loaded: LoadedRecipe, check: SplitCheck) -> None:
    stated = {
        "alpha": {"intent": {"kind": "linear", "to": 0.25}, "urgent": 0.5},
        "temperature": {"kind": "cosine", "from": 4.0, "to": 1.0},
    }
    recipe = loaded.recipe.model_copy(update={"distill": Distill.model_validate(stated)})
    distill = student_settings(recipe, TASKS, check).distill
    assert distill.alpha == {"intent": Linear(1.0, 0.25), "urgent": 0.5}
    assert distill.temperature == dict.fromkeys(TASKS, Cosine(4.0, 1.0))


def test_an_alpha_by_class_knows_the_counts_of_the_training_rows(
    loaded: LoadedRecipe, check: SplitCheck
) -> None:
    stated = {"alpha": {"intent": 0.5, "urgent": {"kind": "by_class", "labels": {"no": 0.25}}}}
    recipe = loaded.recipe.model_copy(update={"distill": Distill.model_validate(stated)})
    lines = (loaded.folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    said = [json.loads(line)["urgent"] for line in lines]
    expected = ByClass(0.8, 0.5, 1.0, {"no": 0.25}, (said.count("no"), said.count("yes")))
    found = student_settings(recipe, TASKS, check).distill.alpha
    assert found == {"intent": 0.5, "urgent": expected}


def test_so_does_that_of_a_teacher_that_is_taught(loaded: LoadedRecipe, check: SplitCheck) -> None:
    lessons = Teaching.model_validate({"alpha": "by_class"})
    own = {"name": "own", "taught_by": ("bert",), "tasks": ("urgent",), "distill": lessons}
    taught = loaded.recipe.teachers[0].model_copy(update=own)
    recipe = loaded.recipe.model_copy(update={"teachers": (*loaded.recipe.teachers, taught)})
    found = teacher_settings(recipe, taught, check).distill.alpha
    counts = tuple(check.labels[TaskName("urgent")].values())
    assert len(counts) == 2
    assert sum(counts) == check.labelled_rows(["urgent"]) > 0
    assert found == {"urgent": ByClass(0.8, 0.5, 1.0, {}, counts)}


def test_a_long_tail_knows_the_counts_of_the_training_rows_and_is_the_baseline_s_too(
    loaded: LoadedRecipe, check: SplitCheck
) -> None:
    stated = {"intent": "none", "urgent": {"kind": "class_balanced", "beta": 0.9}}
    tree = {**loaded.resolved, "distill": {**loaded.resolved["distill"], "long_tail": stated}}
    recipe = Recipe.model_validate(tree, context={FOLDER: loaded.folder})
    lines = (loaded.folder / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    said = [row["urgent"] for row in rows if row["urgent"] is not None]
    counts = (said.count("no"), said.count("yes"))
    expected = LongTailSpec(Method("class_balanced", {"beta": 0.9}), Support(counts, len(said)))
    student = student_settings(recipe, TASKS, check)
    assert student.distill.long_tail == {"urgent": expected}
    assert baseline_settings(recipe, TASKS, check, 77).distill.long_tail == {"urgent": expected}
    assert teacher_settings(recipe, recipe.teachers[0], check).distill.long_tail == {}


def test_features_of_several_teachers_are_standardised_unless_the_recipe_says_otherwise(
    loaded: LoadedRecipe,
) -> None:
    (one,) = loaded.recipe.distill.features
    stated = one.model_copy(update={"standardise": "phi_s"})
    for features, expected in (
        ((one, one), ["none", "none"]),
        ((one, stated), ["none", "phi_s"]),
        ((one, stated.model_copy(update={"teacher": "other"})), ["z_score", "phi_s"]),
    ):
        distill = loaded.recipe.distill.model_copy(update={"features": features})
        specs = feature_specs(loaded.recipe.model_copy(update={"distill": distill}))
        assert [spec.standardise for spec in specs] == expected


def test_a_baseline_has_no_teacher_and_the_student_s_steps(
    loaded: LoadedRecipe, check: SplitCheck
) -> None:
    settings = baseline_settings(loaded.recipe, TASKS, check, 77)
    assert settings.max_steps == 77
    assert settings.distill.alpha == 0.0
    assert settings.distill.features == ()


@pytest.mark.parametrize(("own", "lr"), [({"epochs": 7}, 5e-3), ({"epochs": 7, "lr": 0.1}, 0.1)])
def test_a_baseline_may_have_settings_of_its_own(
    loaded: LoadedRecipe, check: SplitCheck, own: dict[str, float], lr: float
) -> None:
    recipe = loaded.recipe.model_copy(update={"baseline": Baseline.model_validate(own)})
    settings = baseline_settings(recipe, TASKS, check, 77)
    assert (settings.epochs, settings.max_steps, settings.lr) == (7, None, lr)
    assert settings.distill.alpha == 0.0


def test_a_teacher_is_trained_on_labels_with_its_own_numbers(
    loaded: LoadedRecipe, check: SplitCheck
) -> None:
    settings = teacher_settings(loaded.recipe, loaded.recipe.teachers[0], check)
    assert (settings.epochs, settings.batch_size, settings.precision) == (2, 16, "fp32")
    assert settings.distill.alpha == 0.0


def test_the_student_s_vocabulary_is_cut_and_the_teacher_s_is_not(loaded: LoadedRecipe) -> None:
    rows = JsonlRows(loaded.folder / "train.jsonl")
    student, teacher = student_inputs(loaded.recipe, rows), teacher_inputs(loaded.recipe, "bert")
    assert student.vocabulary["text"] < teacher.vocabulary["text"]
    assert not teacher.kept_ids
    assert len(student.kept_ids["text"]) == student.vocabulary["text"]
    assert student.specs["text"].files == {"tokenizer": "tokenizer/text.json"}
    assert student.hashes.keys() == {"tokenizer/text.json"}


def test_two_inputs_of_one_kind_have_arrays_of_their_own(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    text = recipe.read_text(encoding="utf-8")
    begin, end = text.index("  text:"), text.index("tasks:")
    second = text[begin:end].replace("text:", "title:").replace("[text]", "[title]")
    recipe.write_text(f"{text[:end]}{second}{text[end:]}", encoding="utf-8")
    one = "{family: transformers, config: {model_type: bert}}"
    joint = f"model={{encoders: {{text: {one}, title: {one}}}}}"
    loaded = load_recipe(recipe, overrides=[f"teachers.0.{joint}", f"student.{joint}"])
    inputs = teacher_inputs(loaded.recipe, "bert")
    arrays = [spec.name for one in inputs.encoders.values() for spec in one.arrays]
    assert arrays == [
        "text_input_ids", "text_attention_mask", "title_input_ids", "title_attention_mask",
    ]  # fmt: skip


def test_a_tokenizer_that_is_gone_is_named(loaded: LoadedRecipe) -> None:
    (loaded.folder / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"tokenizer .*tokenizer\.json: cannot be read"):
        teacher_inputs(loaded.recipe, "bert")
