"""Which run is next: as many side by side as memory allows, teachers before what loads them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

from kd2edge.errors import Kd2edgeError
from kd2edge.events import StageEvent
from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.verbs.study.memory import available_bytes, fitting, largest_child
from kd2edge.pipeline.verbs.study.plan import BASE, Plan
from kd2edge.pipeline.verbs.study.runs import StudyFolder, TrialRun, runs_of
from kd2edge.pipeline.verbs.study.storage import Storage, Trial

__all__ = ["run_trials"]

#: Seconds between two looks at what runs.
_PAUSE = 0.1

#: What a finished trial reached on validation, larger is better.
#: None: it could not be measured.
Value = Callable[[Sequence[TrialRun]], "float | None"]


def run_trials(
    plan: Plan,
    storage: Storage,
    folder: StudyFolder,
    *,
    jobs: int,
    value: Value,
    on_event: Listener,
) -> dict[int, str]:
    """Run what is left of a study; the reasons of trials that failed, by number.

    The recipe as it is comes first and alone: the others take over its teachers, and are held
    against it.

    Args:
        plan: what is tried.
        storage: what was tried.
        folder: where runs stand.
        jobs: most runs at once.
        value: what a trial reached.
        on_event: told about every run.

    Raises:
        Kd2edgeError: the recipe as it is failed: there is nothing to hold variants against.
        StorageError: the storage cannot be written.
    """
    return _Work(plan, storage, folder, jobs, value, on_event).run()


@final
class _Work:
    def __init__(
        self,
        plan: Plan,
        storage: Storage,
        folder: StudyFolder,
        jobs: int,
        value: Value,
        on_event: Listener,
    ) -> None:
        self._plan, self._storage, self._folder = plan, storage, folder
        self._jobs, self._value, self._tell = jobs, value, on_event
        self._free = available_bytes()
        self._measured = False
        self._open: dict[int, tuple[TrialRun, ...]] = {}
        self._active: dict[subprocess.Popen[bytes], TrialRun] = {}
        self._done: set[tuple[int, int]] = set()  # (trial, seed)
        self._failed: dict[int, str] = {}
        self._keys: dict[int, str] = {}  # trial -> what its teachers are made from
        self._taught: set[str] = set()  # keys of finished teachers
        self._waits = False
        self._all_begun = False

    def run(self) -> dict[int, str]:
        self._take_up()
        try:
            while True:
                self._reap()
                while len(self._active) < self._limit() and (one := self._next()) is not None:
                    self._start(one)
                if not self._active and not self._open:
                    return self._failed
                time.sleep(_PAUSE)
        except KeyboardInterrupt:
            self._tell(StageEvent("study", "stopping; the same command goes on from here"))
            raise
        finally:
            self._stop()

    def _limit(self) -> int:
        """Runs that may be at work: one, until one has shown what it takes."""
        if not self._measured:
            return 1
        return fitting(self._free, largest_child(), self._jobs)

    def _measure(self) -> None:
        """From now on it is known what a run takes; say so where memory holds others back."""
        first, self._measured = not self._measured, True
        if first and (most := self._limit()) < self._jobs:
            takes = f"a run took {largest_child() / 1e9:.1f} GB of {self._free / 1e9:.1f} GB"
            self._tell(StageEvent("study", f"{most} of {self._jobs} jobs at once: {takes}"))

    def _take_up(self) -> None:
        """Go on with trials that were stopped, or whose runs are no longer there."""
        for trial in self._storage.trials():
            if trial.state != "failed":
                self._begin(trial)

    def _begin(self, trial: Trial) -> None:
        runs = runs_of(self._folder, trial, self._plan.seeds)
        self._open[trial.number] = runs
        for one in runs:
            if (one.leader is None or self._is_done(one.leader)) and one.finished():
                self._finish(one)
        if trial.state == "complete" and all(map(self._is_done, runs)):
            del self._open[trial.number]
        else:
            self._close(trial.number)

    def _close(self, number: int) -> None:
        """Tell what a trial reached once all its runs are done."""
        runs = self._open[number]
        if not all(map(self._is_done, runs)):
            return
        self._open.pop(number)
        trial = runs[0].trial
        if trial.state == "running":
            reached = self._value(runs)
            if reached is None:
                self._fail(runs[0], "its metric cannot be computed on the validation rows")
                return
            self._storage.complete(trial, reached)
            self._tell(StageEvent(f"trial {number}", f"{trial.variant.name}: {reached:.4f}"))

    def _finish(self, run: TrialRun) -> None:
        self._done.add(_key(run))
        if run.leader is None:
            self._taught.add(self._key_of(run))

    def _is_done(self, run: TrialRun) -> bool:
        return _key(run) in self._done

    def _next(self) -> TrialRun | None:
        """The run to start now; None: nothing can be started."""
        while True:
            for run in (one for runs in self._open.values() for one in runs):
                if self._is_ready(run):
                    return run
            if self._all_begun or len(self._open) >= self._jobs or self._base_is_open():
                return None
            trial = self._another()
            if trial is None:
                self._all_begun = True
                return None
            self._begin(trial)

    def _base_is_open(self) -> bool:
        """Whether the recipe as it is has no teachers yet that others could take over."""
        return any(
            runs[0].trial.variant.name == BASE and not self._is_done(runs[0])
            for runs in self._open.values()
        )

    def _another(self) -> Trial | None:
        trials = self._storage.trials()
        tried = {one.variant.name for one in trials if one.state != "failed"}
        tried |= {one.variant.name for one in trials if one.number in self._failed}
        for variant in self._plan.variants:
            if variant.name not in tried:
                return self._storage.begin(variant)
        known = {one.name for one in self._plan.variants}
        searched = [one for one in trials if one.variant.name not in known]
        return self._storage.search() if len(searched) < self._plan.trials else None

    def _is_ready(self, run: TrialRun) -> bool:
        if self._is_done(run) or run in self._active.values():
            return False
        if run.leader is not None:
            return self._is_done(run.leader) and self._is_let_go(run)
        base = run.trial.variant.name == BASE
        if not base and self._base_is_open():
            return False
        if self._key_of(run) in self._taught:
            return self._is_let_go(run)
        # Who needs the same teachers waits for whoever trains them.
        training = {self._key_of(one) for one in self._active.values() if one.leader is None}
        return self._key_of(run) not in training and self._is_let_go(run)

    def _is_let_go(self, run: TrialRun) -> bool:
        if run.is_free:
            return True
        if not self._waits:
            self._waits = True
            detail = f"{run.folder.path}: an earlier study's process is at work there, waiting"
            self._tell(StageEvent("study", detail))
        return False

    def _key_of(self, run: TrialRun) -> str:
        number = run.trial.number
        if number not in self._keys:
            self._keys[number] = run.teacher_key()
        return self._keys[number]

    def _start(self, run: TrialRun) -> None:
        alone = self._jobs == 1
        teachers = self._teachers(run) if run.leader is None else None
        process = run.start(alone=alone, teachers=teachers, allow_code=self._plan.allow_code)
        self._active[process] = run
        detail = f"{run.trial.variant.name}, seed {run.seed}"
        self._tell(StageEvent(f"trial {run.trial.number}", detail))

    def _teachers(self, run: TrialRun) -> Path | None:
        """The folder of finished teachers that are most likely the same; None: there is none."""
        seed = self._plan.seeds[0]
        leaders = (TrialRun(self._folder, one, seed, None) for one in self._storage.trials())
        done = [one for one in leaders if one.trial != run.trial and one.folder.finished]
        alike = [one for one in done if self._key_of(one) == self._key_of(run)]
        return next((one.folder.teachers for one in [*alike, *done]), None)

    def _reap(self) -> None:
        for process, run in list(self._active.items()):
            code = process.poll()
            if code is None:
                continue
            del self._active[process]
            self._measure()
            number = run.trial.number
            if code == 0 and run.finished():
                self._finish(run)
                if number in self._open:
                    self._close(number)
            elif number not in self._failed:
                self._fail(run, run.reason(code))

    def _fail(self, run: TrialRun, reason: str) -> None:
        number, name = run.trial.number, run.trial.variant.name
        self._failed[number] = reason
        self._open.pop(number, None)
        if run.trial.state == "running":
            self._storage.fail(run.trial)
        self._tell(StageEvent(f"trial {number}", f"{name}, seed {run.seed}: failed: {reason}"))
        if name == BASE:
            raise Kd2edgeError(
                f"the recipe as it is failed with seed {run.seed}, so there is nothing to hold"
                f" variants against: {reason} (all it said: {run.said})"
            )

    def _stop(self) -> None:
        """Let what still runs save its state, and wait for it."""
        for process in self._active:
            process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        for process in self._active:
            process.wait()


def _key(run: TrialRun) -> tuple[int, int]:
    return run.trial.number, run.seed
