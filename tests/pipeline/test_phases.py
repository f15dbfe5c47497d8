"""The student's training in phases: each is resumed, taken over and told like a whole run."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from commands import Interrupt, Result, kd2edge, succeed
from kd2edge.errors import Interrupted
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from products import write_text_project

PHASES = """\
phases:
  - {name: general, rows: unlabelled, train: {epochs: 2}, distill: {alpha: 1.0}}
  - {name: target, train: {freeze: [embeddings], layer_decay: 0.8}, distill: {features: []}}
"""
GENERAL, TARGET = "student general", "student target"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_text_project(tmp_path_factory.mktemp("phases"))
    path.write_text(path.read_text(encoding="utf-8") + PHASES, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def phased(recipe: Path) -> Path:
    """A finished run.  Do not change it."""
    run = recipe.parent / "run"
    succeed("distill", recipe, "--run-dir", run)
    return run


def _again(recipe: Path, run: Path, *options: str) -> Result:
    return kd2edge("distill", recipe, "--run-dir", run, *options)


def _told(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def _skipped(run: Path) -> dict[str, bool]:
    """Stage -> whether its last begin was taken over."""
    return {one["stage"]: one["skipped"] for one in _told(run) if one["event"] == "StageEvent"}


def _weights(run: Path) -> tuple[bytes, bytes]:
    """Of the student after each phase."""
    general, student = run / "phases" / "general.safetensors", run / "student.safetensors"
    return general.read_bytes(), student.read_bytes()


def test_log_curve_and_report_say_which_phase(phased: Path) -> None:
    report = json.loads((phased / "report.json").read_text())
    general, target = report["models"]["student"]["phases"]
    assert (general["name"], general["first_epoch"], general["last_epoch"]) == ("general", 1, 2)
    assert (target["name"], target["first_epoch"], target["last_epoch"]) == ("target", 3, 5)
    assert report["models"]["student"]["steps"] == general["steps"] + target["steps"]
    curve = report["curves"]["student"]
    assert [one["epoch"] for one in curve] == [1, 2, 3, 4, 5]
    assert [one["phase"] for one in curve] == ["general"] * 2 + ["target"] * 3
    assert [one["step"] for one in curve] == sorted({one["step"] for one in curve})
    # Rows without a label have no hard loss, and the target's phase follows no features.
    assert [one["train"]["intent"].keys() for one in curve] == [{"kd"}] * 2 + [{"kd", "task"}] * 3
    assert ["" in one["train"] for one in curve] == [True] * 2 + [False] * 3
    details = {one["stage"]: one["detail"] for one in _told(phased) if "stage" in one}
    assert details[GENERAL].startswith("12 rows of 60, the others are not shown; 2 epochs")
    assert details[TARGET].startswith("60 rows; 3 epochs")
    page = (phased / "report.html").read_text(encoding="utf-8")
    assert "general (epochs 1 to 2), then target (epochs 3 to 5)" in page


def test_check_says_what_each_phase_walks_over(recipe: Path) -> None:
    said = succeed("check", recipe).out
    assert "phase      general: 12 rows, 2 steps\n" in said
    assert "phase      target: 60 rows, 12 steps\n" in said
    assert re.search(r"model      student: .*, 14 steps\n", said)
    assert re.search(r"model      baseline: .*, 14 steps\n", said)


def test_the_baseline_has_as_many_steps_as_all_phases_together(phased: Path) -> None:
    models = json.loads((phased / "report.json").read_text())["models"]
    assert models["baseline"]["steps"] == models["student"]["steps"]


def test_what_a_phase_freezes_is_what_the_one_before_it_left(phased: Path) -> None:
    names = ("phases/general", "student")
    before, after = (load_file(phased / f"{name}.safetensors") for name in names)
    same = {name for name, one in before.items() if (one == after[name]).all()}
    assert {name for name in before if ".embeddings." in name} <= same
    assert not any("heads." in name and "weight" in name for name in same)


def test_a_finished_run_is_taken_over(phased: Path, recipe: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(phased, tmp_path / "run"))
    assert _again(recipe, run, "--resume").code == 0
    assert _skipped(run)[GENERAL]
    assert _skipped(run)[TARGET]
    assert _weights(run) == _weights(phased)


@pytest.mark.parametrize("how", [("--resume",), ()])
def test_a_changed_phase_does_not_repeat_the_one_before_it(
    phased: Path, recipe: Path, tmp_path: Path, how: tuple[str, ...]
) -> None:
    run = Path(shutil.copytree(phased, tmp_path / "run"))
    assert _again(recipe, run, "--set", "phases.target.train.lr=1e-3", *how).code == 0
    assert _skipped(run)[GENERAL]
    assert not _skipped(run)[TARGET]
    (general, student), (before, other) = _weights(run), _weights(phased)
    assert general == before
    assert student != other


def test_a_changed_phase_repeats_the_ones_behind_it(
    phased: Path, recipe: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(phased, tmp_path / "run"))
    assert _again(recipe, run, "--resume", "--set", "phases.general.train.lr=1e-3").code == 0
    assert not _skipped(run)[GENERAL]
    assert not _skipped(run)[TARGET]
    assert all(one != other for one, other in zip(_weights(run), _weights(phased), strict=True))


@pytest.mark.parametrize("stage", [GENERAL, TARGET])
def test_a_phase_that_was_stopped_goes_on_to_the_same_bits(
    phased: Path, recipe: Path, tmp_path: Path, stage: str
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        distill_recipe(load_recipe(recipe), RunOptions(run), on_event=Interrupt(stage))
    assert not (run / "student.safetensors").exists()
    # What is half trained stays where it is until it is known to be another's.
    refused = _again(recipe, run, "--resume", "--set", "phases.general.rows=all")
    assert (refused.code, "the checkpoint belongs to another net" in refused.err) == (2, True)
    assert "resumed at step" in succeed("distill", recipe, "--run-dir", run, "--resume").err
    assert _weights(run) == _weights(phased)
    assert _skipped(run)[GENERAL] is (stage == TARGET)
