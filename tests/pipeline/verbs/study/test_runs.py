from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kd2edge.files import folder_lock
from kd2edge.files.lock import inherited_lock
from kd2edge.pipeline.verbs.study.plan import BASE, Variant
from kd2edge.pipeline.verbs.study.runs import StudyFolder, TrialRun, runs_of
from kd2edge.pipeline.verbs.study.storage import Trial
from kd2edge.recipe import load_recipe

OWN = ("distill.temperature=4.0",)


@pytest.fixture
def folder(recipe: Path, tmp_path: Path) -> StudyFolder:
    made = StudyFolder(tmp_path / "study")
    made.path.mkdir()
    made.recipe.write_text(load_recipe(recipe).dump_resolved(), encoding="utf-8")
    return made


def run(folder: StudyFolder, *overrides: str, number: int = 0) -> TrialRun:
    return runs_of(folder, Trial(number, Variant(BASE, overrides), "running"), (3, 4))[0]


def test_the_first_seed_has_the_teachers_that_the_others_load(folder: StudyFolder) -> None:
    first, second = runs_of(folder, Trial(7, Variant("x", OWN), "running"), (3, 4))
    assert first.folder.path == folder.path / "trial-007" / "seed-3"
    assert first.overrides() == [*OWN, "seed=3", "baseline=false", "reference=null"]
    weights = first.folder.teachers / "bert.safetensors"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert second.overrides() == [
        *OWN, "seed=4", "baseline=false", "reference=null",
        "teachers.bert.train=null", f"teachers.bert.checkpoint={weights}",
    ]  # fmt: skip
    assert second.loaded().recipe.teacher("bert").checkpoint == weights


@pytest.mark.parametrize(("own", "seed"), [((), 3), (("teachers.bert.seed=9",), 9)])
def test_cross_fitted_teachers_keep_their_seed_and_are_taken_over(
    folder: StudyFolder, own: tuple[str, ...], seed: int
) -> None:
    variant = ("teachers.bert.folds=2", *own)
    first, second = runs_of(folder, Trial(7, Variant("x", variant), "running"), (3, 4))
    assert first.overrides() == [*variant, "seed=3", "baseline=false", "reference=null"]
    pinned = f"teachers.bert.seed={seed}"
    assert second.overrides() == [*variant, "seed=4", "baseline=false", "reference=null", pinned]
    assert second.loaded().recipe.teacher("bert").seed == seed


def test_a_taught_teacher_is_taken_over_and_still_stands_before_who_taught_it(
    folder: StudyFolder,
) -> None:
    text = folder.recipe.read_text(encoding="utf-8")
    model = "{family: transformers, config: {model_type: electra}}"
    taught = f"- {{name: assistant, model: {model}, taught_by: bert}}\n"
    folder.recipe.write_text(text.replace("student:\n", f"{taught}student:\n", 1), encoding="utf-8")
    first, second = runs_of(folder, Trial(7, Variant("x", ()), "running"), (3, 4))
    assert second.overrides()[-1] == "teachers.assistant.seed=3"
    recipe = second.loaded().recipe
    assert recipe.teacher("bert").checkpoint is not None
    assert [one.name for one in recipe.teachers_of("intent")] == ["assistant"]
    other = run(folder, "distill.temperature=4.0")  # it is taught at that temperature, too
    assert first.teacher_key() == run(folder).teacher_key() != other.teacher_key()


def test_teachers_are_the_same_where_nothing_that_they_learn_from_differs(
    folder: StudyFolder,
) -> None:
    key = run(folder).teacher_key()
    for same in ("distill.temperature=4.0", "train.lr=0.5", "distill.features=[]"):
        assert run(folder, same).teacher_key() == key
    for other in ("teachers.bert.train.lr=0.5", "inputs.text.max_length=8"):
        assert run(folder, other).teacher_key() != key


def test_a_run_is_not_free_while_a_process_that_writes_its_log_lives(folder: StudyFolder) -> None:
    """The study that started it may be gone, and it may not have come to its own lock yet."""
    one = run(folder)
    assert one.is_free
    log = inherited_lock(one.said)
    assert log is not None
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=log, start_new_session=True
    )
    os.close(log)
    assert not one.is_free
    child.communicate(b"\n")
    assert one.is_free
    with folder_lock(one.folder.path):  # and while somebody distills there by hand
        assert not one.is_free


def test_the_reason_is_the_last_error_or_the_signal(folder: StudyFolder) -> None:
    one = run(folder)
    assert one.reason(-9) == "killed by signal 9; was there memory left?"
    assert one.reason(1) == "it ended with exit code 1"
    one.said.parent.mkdir(parents=True)
    one.said.write_text("rows\nerror: first\nmore\nerror: the last\n(hint)\n", encoding="utf-8")
    assert one.reason(2) == "the last"


def test_a_run_that_is_not_there_or_of_another_variant_is_not_finished(
    folder: StudyFolder,
) -> None:
    one, other = run(folder), run(folder, *OWN)
    assert not one.finished()
    one.folder.path.mkdir(parents=True)
    one.folder.recipe.write_text(one.loaded("train.threads=1").dump_resolved(), encoding="utf-8")
    assert not one.finished()  # it has no report yet
    one.folder.report.write_text("{}", encoding="utf-8")
    assert one.finished()  # with however many threads
    assert not other.finished()
