"""Which run is next, with processes that only pretend to distill."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.verbs.study import scheduling
from kd2edge.pipeline.verbs.study.plan import Asked, Plan, plan_study
from kd2edge.pipeline.verbs.study.runs import StudyFolder, TrialRun
from kd2edge.pipeline.verbs.study.scheduling import run_trials
from kd2edge.pipeline.verbs.study.storage import open_storage

GRID = ("distill.temperature=[1.0, 4.0, 8.0]",)


class Pretend:
    """Finishes every run a moment after it was started, and notes what ran beside it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.active: list[TrialRun] = []
        self.started: list[tuple[str, int]] = []
        self.most = 0
        self.seen: list[tuple[str, Path | None]] = []
        patch.setattr(TrialRun, "start", lambda run, **how: self.start(run, **how))

    def start(
        self, run: TrialRun, *, alone: bool, teachers: Path | None, allow_code: bool
    ) -> object:
        assert not allow_code
        del alone
        if run.leader is not None:
            assert run.leader.folder.finished  # whose teachers it loads
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.3)"])
        self.active = [*(one for one in self.active if not one.folder.finished), run]
        self.most = max(self.most, len(self.active))
        self.started.append((run.trial.variant.name, run.seed))
        self.seen.append((run.trial.variant.name, teachers))
        poll, outer = process.poll, self

        def finished() -> int | None:
            code = poll()
            if code is not None and not run.folder.finished:
                run.folder.teachers.mkdir(parents=True, exist_ok=True)
                (run.folder.teachers / "bert.safetensors").touch()
                run.folder.recipe.write_text(run.loaded().dump_resolved(), encoding="utf-8")
                run.folder.report.write_text(json.dumps({}), encoding="utf-8")
                outer.active = [one for one in outer.active if one != run]
            return code

        process.poll = finished  # pyright: ignore[reportAttributeAccessIssue]
        return process


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Pretend:
    return Pretend(monkeypatch)


def ran(
    plan: Plan, folder: Path, jobs: int, on_event: Listener = lambda event: None
) -> dict[int, str]:
    study = StudyFolder(folder)
    study.path.mkdir(exist_ok=True)
    study.recipe.write_text(plan.loaded.dump_resolved(), encoding="utf-8")
    storage = open_storage(plan, "one", folder, None)

    def value(runs: Sequence[TrialRun]) -> float:
        return float(len(runs))

    return run_trials(plan, storage, study, jobs=jobs, value=value, on_event=on_event)


def test_the_recipe_is_first_and_alone_and_its_teachers_are_offered_to_the_others(
    recipe: Path, tmp_path: Path, pretend: Pretend
) -> None:
    plan = plan_study(recipe, (), Asked(GRID, seeds=2))
    assert ran(plan, tmp_path / "study", 3) == {}
    names = [one.name for one in plan.variants]
    assert pretend.started[0] == (names[0], 3)
    assert sorted(pretend.started) == sorted((name, seed) for name in names for seed in (3, 4))
    assert pretend.most == 3
    offered = tmp_path / "study" / "trial-000" / "seed-3" / "teachers"
    leaders = [place for name, place in pretend.seen if place is not None]
    assert leaders == [offered] * 3


def test_no_more_run_than_memory_allows(
    recipe: Path, tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "available_bytes", lambda: 10 * 10**9)
    monkeypatch.setattr(scheduling, "largest_child", lambda: 4 * 10**9)
    told: list[Any] = []
    ran(plan_study(recipe, (), Asked(GRID, seeds=2)), tmp_path / "study", 8, told.append)
    assert pretend.most == 2
    details = [event.detail for event in told if event.stage == "study"]
    assert details == ["2 of 8 jobs at once: a run took 4.0 GB of 10.0 GB"]


def test_of_new_teachers_one_run_trains_them_and_the_others_wait(
    recipe: Path, tmp_path: Path, pretend: Pretend
) -> None:
    fields = ("teachers.bert.train.lr=[0.5]", "distill.temperature=[1.0, 4.0]")
    ran(plan_study(recipe, (), Asked(fields, seeds=1)), tmp_path / "study", 4)
    assert pretend.most == 1


def test_a_second_call_starts_nothing(recipe: Path, tmp_path: Path, pretend: Pretend) -> None:
    plan = plan_study(recipe, (), Asked(GRID, seeds=1))
    ran(plan, tmp_path / "study", 2)
    before = list(pretend.started)
    ran(plan, tmp_path / "study", 2)
    assert pretend.started == before
