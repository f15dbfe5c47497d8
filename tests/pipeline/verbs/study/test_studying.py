"""Studies from end to end, with real runs: killed, failing, side by side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Result, kd2edge, succeed
from docs.documents import ROOT
from kd2edge.metrics import holm
from kd2edge.pipeline.verbs.study.plan import BASE
from kd2edge.recipe import load_recipe
from products import write_text_project

pytestmark = pytest.mark.slow

#: Half of this grid follows a layer that there is none of: a fault that only a run can find.
_BAD = "[{teacher: bert, from: encoder.layer.9, to: encoder.layer.0}]"
GRID = (
    *("--field", "distill.temperature=[1.0, 4.0]"),
    *("--field", f"distill.features=[[], {_BAD}]"),
    *("--seeds", "1", "--jobs", "2"),
)
ABLATION = ("--ablate", "distill.features", "--seeds", "2", "--name", "parts")


@dataclass(frozen=True)
class Made:
    """A study that was killed when its second trial had begun, and went on.

    Args:
        folder: of the study.
        result: of the second command.
        before: report of a run that was finished when the study was killed -> its time.
    """

    recipe: Path
    folder: Path
    result: Result
    before: dict[Path, int]

    @property
    def found(self) -> Any:
        return json.loads((self.folder / "study.json").read_text(encoding="utf-8"))


def reports(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("trial-*/seed-*/report.json")}


def has_trained(log: Path) -> bool:
    """Whether a run trained its teacher, as its log has it."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return any(one.get("stage") == "teacher bert" and not one["skipped"] for one in events)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    place = tmp_path_factory.mktemp("grid")
    recipe, folder = write_text_project(place), place / "runs" / "tiny-text-study"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        arguments = [sys.executable, "-m", "kd2edge", "study", str(recipe), *GRID]
        killed = subprocess.Popen(
            arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 300
        while not (folder / "trial-001").is_dir():
            assert killed.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        before = reports(folder)
        yield Made(recipe, folder, succeed("study", recipe, *GRID), before)


def test_a_killed_study_goes_on_and_runs_nothing_twice(grid: Made) -> None:
    assert grid.before
    after = reports(grid.folder)
    assert {path: after[path] for path in grid.before} == grid.before
    assert len(after) == 3
    names = [one["name"] for one in grid.found["variants"]]
    assert len(names) == len(set(names)) == 5


def test_a_trial_that_fails_is_told_with_its_reason_and_the_others_go_on(grid: Made) -> None:
    states = {one["name"]: one["state"] for one in grid.found["variants"]}
    assert sorted(states.values()) == ["complete"] * 3 + ["failed"] * 2
    for one in grid.found["variants"]:
        if one["state"] == "failed":
            assert "encoder.layer.9" in one["reason"]
            assert one["reason"] in " ".join(grid.result.out.split())
    assert {one["variant"] for one in grid.found["comparisons"]} == {
        name for name, state in states.items() if state == "complete" and name != BASE
    }


def test_values_are_those_of_the_runs_reports_and_gains_their_differences(grid: Made) -> None:
    folders = {one["name"]: f"trial-{one['trial']:03d}" for one in grid.found["variants"]}

    def reported(variant: str, task: str, metric: str) -> float:
        path = grid.folder / folders[variant] / "seed-3" / "report.json"
        models = json.loads(path.read_text(encoding="utf-8"))["splits"]["test"]["tasks"][task]
        return models["student"]["metrics"][metric]["value"]

    assert len(grid.found["comparisons"]) == 4
    for one in grid.found["comparisons"]:
        (base,), (value,) = one["base"], one["variant_values"]
        assert base == pytest.approx(reported(BASE, one["task"], one["metric"]), abs=1e-9)
        assert value == pytest.approx(
            reported(one["variant"], one["task"], one["metric"]), abs=1e-9
        )
        assert one["gain"]["value"] == pytest.approx(value - base, abs=1e-9)
        assert one["gain"]["low"] <= one["gain"]["value"] <= one["gain"]["high"]
    tests = grid.found["comparisons"]
    sides = [(one, side) for one in tests for side in ("gain", "loss")]
    assert [one["p_holm"][side] for one, side in sides] == holm(
        [one["p"][side] for one, side in sides]
    )
    words = {"gain": "pays", "loss": "hurts"}
    for one, side in sides:
        assert (one["verdict"] == words[side]) == (one["p_holm"][side] <= 0.05)


def test_a_study_can_be_made_again_from_its_record_alone(grid: Made, tmp_path: Path) -> None:
    """Its recipe with every default, as ``show`` prints it, every variant's settings, the seeds."""
    found, again = grid.found, tmp_path / "again.yaml"
    again.write_text(found["recipe_text"], encoding="utf-8")
    assert load_recipe(again).fingerprint == found["recipe"]
    assert found["recipe_text"] == succeed("show", grid.recipe).out
    assert "weight_decay:" in found["recipe_text"]  # a default that the file does not state
    for one in found["variants"]:
        if one["state"] == "complete":
            settings = [*one["settings"], "seed=3", "baseline=false"]
            run = grid.folder / f"trial-{one['trial']:03d}" / "seed-3" / "recipe.yaml"
            any_threads = ["train.threads=null"]
            made = load_recipe(again, overrides=[*settings, *any_threads]).fingerprint
            assert made == load_recipe(run, overrides=any_threads).fingerprint
    assert found["seeds"] == [3]
    assert found["fields"]["distill.temperature"] == [1.0, 4.0]


def test_the_teacher_is_trained_once(grid: Made) -> None:
    teachers = list(grid.folder.glob("trial-*/seed-3/teachers/bert.safetensors"))
    assert len(teachers) >= 3
    assert len({path.read_bytes() for path in teachers}) == 1
    trained = [log for log in grid.folder.glob("trial-*/seed-3/log.jsonl") if has_trained(log)]
    assert [path.parent.parent.name for path in trained] == ["trial-000"]
    assert not list(grid.folder.glob("trial-*/seed-*/cache"))  # all share the study's


def test_table_and_page_say_no_more_than_the_tests(grid: Made) -> None:
    lines = grid.result.out.splitlines()
    assert all(len(line) <= 80 for line in lines if not line.startswith(("study:", "report:")))
    said = [line for line in lines if line.endswith(("  pays", "  hurts", "  not shown"))]
    assert sorted(line.split("  ")[-1] for line in said) == sorted(
        one["verdict"] for one in grid.found["comparisons"]
    )
    page = (grid.folder / "study.html").read_text(encoding="utf-8")
    assert page.count('<svg class="plot"') == 2  # a task each
    assert "Not shown does not mean that there is none" in page


def test_another_recipe_is_refused_in_the_same_folder(
    grid: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grid.recipe.parent)
    result = kd2edge("study", grid.recipe, *GRID, "--set", "train.lr=0.125")
    assert result.code == 2
    assert "of another recipe" in result.err


def test_an_ablation_over_seeds_loads_one_teacher_and_asks_what_the_part_brings(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = succeed("study", recipe, *ABLATION, "--json").json["study"]
    assert (found["kind"], found["seeds"]) == ("ablation", [3, 4])
    assert [one["name"] for one in found["variants"]] == [BASE, "without distill.features"]
    for one in found["comparisons"]:
        brings = np.mean(one["base"]) - np.mean(one["variant_values"])
        assert one["gain"]["value"] == pytest.approx(brings, abs=1e-9)
    folder = tmp_path / "runs" / "parts"
    own = list(folder.glob("trial-*/seed-*/teachers/bert.safetensors"))
    assert sorted(path.parent.parent.name for path in own) == ["seed-3", "seed-3"]
    made = (folder / "trial-001" / "seed-4" / "recipe.yaml").read_text(encoding="utf-8")
    assert "trial-001/seed-3/teachers/bert" in made
    assert "features: []" in made

    # What is finished is not run again, and the same comes out.
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("something was run"))
    assert succeed("study", recipe, *ABLATION, "--json").json["study"] == found


def test_a_recipe_that_fails_as_it_is_ends_the_study(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text(encoding="utf-8").replace("encoder.layer.1", "encoder.layer.9")
    recipe.write_text(text, encoding="utf-8")
    result = kd2edge("study", recipe, "--field", "distill.temperature=[1.0]", "--seeds", "1")
    assert result.code == 1
    assert "the recipe as it is failed with seed 3" in result.err
    assert "encoder.layer.9" in result.err
    assert not (tmp_path / "runs" / "tiny-text-study" / "trial-001").exists()
