"""One run of a trial: a variant with a seed, distilled in a process of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from kd2edge.errors import StorageError
from kd2edge.files import fingerprint
from kd2edge.files.lock import LOCK, claimed, inherited_lock
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.verbs.study.storage import Trial
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.recipe.schema import GivenModel, Teacher

__all__ = ["StudyFolder", "TrialRun", "runs_of"]

#: Threads change no weights that a run is known by, and follow how many run side by side.
_ANY_THREADS = "train.threads=null"


@final
@dataclass(frozen=True, slots=True)
class StudyFolder:
    """Where things stand in a study's folder."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as it is: what every run is made from, whatever becomes of the user's file."""
        return self.path / "recipe.yaml"

    @property
    def cache(self) -> Path:
        """Encoded rows and teachers' outputs, of all runs."""
        return self.path / "cache"

    @property
    def json(self) -> Path:
        return self.path / "study.json"

    @property
    def html(self) -> Path:
        return self.path / "study.html"

    def trial(self, number: int) -> Path:
        """Folder of a trial."""
        return self.path / f"trial-{number:03d}"


@final
@dataclass(frozen=True, slots=True)
class TrialRun:
    """A variant with a seed.

    Args:
        study: the study's folder.
        trial: what is tried.
        seed: of everything but the teachers.
        leader: the run of the same trial whose teachers are loaded; None: this one trains them, or
            takes over those of another trial that are the same.
    """

    study: StudyFolder
    trial: Trial
    seed: int
    leader: TrialRun | None

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.study.trial(self.trial.number) / f"seed-{self.seed}")

    @property
    def said(self) -> Path:
        """What the process said."""
        return self.folder.path.with_name(f"seed-{self.seed}.log")

    @property
    def is_free(self) -> bool:
        """Whether no process works on it; one of a study that was killed may go on for a while.

        Its own lock alone would not tell: it takes that when its imports are done.
        """
        if not self.said.is_file():
            return True
        descriptor = inherited_lock(self.said)
        if descriptor is None:
            return False
        os.close(descriptor)
        with claimed(self.folder.path / LOCK) as mine:
            return mine

    def finished(self) -> bool:
        """Whether it ended, and is of this very variant and seed."""
        if not self.folder.finished or not self.folder.recipe.is_file():
            return False
        made = load_recipe(self.folder.recipe, overrides=[_ANY_THREADS]).fingerprint
        return made == self.loaded(_ANY_THREADS).fingerprint

    def loaded(self, *more: str) -> LoadedRecipe:
        """Its recipe."""
        return load_recipe(self.study.recipe, overrides=[*self.overrides(), *more])

    def overrides(self) -> list[str]:
        """How its recipe differs from the study's."""
        own = [*self.trial.variant.overrides, f"seed={self.seed}"]
        own += ["baseline=false", "reference=null"]
        return own if self.leader is None else [*own, *_loaded_teachers(self.leader)]

    def teacher_key(self) -> str:
        """What its teachers are made from, as far as a recipe says: equal keys, equal teachers.

        Of other keys they can be equal, too: a run compares what they were trained on.
        """
        recipe = self.loaded().resolved
        train = {key: recipe["train"][key] for key in ("device", "precision")}
        parts = {key: recipe[key] for key in ("data", "inputs", "tasks", "teachers", "seed")}
        return fingerprint({**parts, "train": train})

    def start(
        self, *, alone: bool, teachers: Path | None, allow_code: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start it, or go on with it.

        Args:
            alone: no other runs beside it: it may use all cores.
            teachers: those of another run, taken over if they are the same.
            allow_code: let code run that the recipe names.
        """
        self.folder.path.mkdir(parents=True, exist_ok=True)
        if self.leader is not None and any(map(_is_taken_over, self.loaded().recipe.teachers)):
            teachers = self.leader.folder.teachers
        if teachers is not None:
            _offer(teachers, self.folder.teachers)
        settings = [*self.overrides(), *([] if alone else ["train.threads=1"])]
        arguments = [
            *("distill", str(self.study.recipe), "--run-dir", str(self.folder.path), "--resume"),
            *("--cache-dir", str(self.study.cache)),
            *["--allow-code"][: int(allow_code)],
            *(word for setting in settings for word in ("--set", setting)),
        ]
        log = inherited_lock(self.said)
        if log is None:
            raise StorageError(f"{self.said}: in use by another process: wait until it has ended")
        try:
            os.ftruncate(log, 0)
            return subprocess.Popen(
                [sys.executable, "-m", "kd2edge", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(alone),
                # A Ctrl-C of the terminal is the study's to hand on: two of them end a run at once.
                start_new_session=True,
            )
        finally:
            os.close(log)

    def reason(self, code: int) -> str:
        """Why it failed: its last error, in a line."""
        try:
            text = self.said.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        lines = [line for line in text.splitlines() if line.startswith("error: ")]
        if lines:
            return lines[-1].removeprefix("error: ")
        killed = f"killed by signal {-code}; was there memory left?" if code < 0 else ""
        return killed or f"it ended with exit code {code}"


def runs_of(study: StudyFolder, trial: Trial, seeds: Sequence[int]) -> tuple[TrialRun, ...]:
    """The runs of a trial, the one that has its teachers first."""
    leader = TrialRun(study, trial, seeds[0], None)
    return leader, *(TrialRun(study, trial, seed, leader) for seed in seeds[1:])


def _loaded_teachers(leader: TrialRun) -> list[str]:
    """Settings that load the teachers which another run has trained, or let them be taken over."""
    found: list[str] = []
    for teacher in leader.loaded().recipe.teachers:
        if _is_taken_over(teacher):
            seed = leader.seed if teacher.seed is None else teacher.seed
            found.append(f"teachers.{teacher.name}.seed={seed}")
        elif teacher.checkpoint is None and not isinstance(teacher.model, GivenModel):
            made = leader.folder.teachers / f"{teacher.name}.safetensors"
            if not made.is_file():
                made = made.with_suffix(".npz")  # trees
            found.append(f"teachers.{teacher.name}.train=null")
            found.append(f"teachers.{teacher.name}.checkpoint={made.resolve()}")
    return found


def _is_taken_over(teacher: Teacher) -> bool:
    """Whether a finished teacher is not loaded as a checkpoint.

    Folds are several nets; one that is taught stands between the student and those who taught it.
    """
    return teacher.folds is not None or bool(teacher.taught_by)


def _offer(teachers: Path, to: Path) -> None:
    """Copy finished teachers; a run takes over those that it would train itself, bit for bit.

    Their records come last: what was copied half-way has none, and counts for nothing.
    """
    if to.exists() or not teachers.is_dir():
        return
    partial = to.with_name(f"{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(teachers, partial)
    partial.rename(to)


def _environment(alone: bool) -> dict[str, str]:
    """The new process finds the same kd2edge, also when it was not installed."""
    here = str(Path(__file__).resolve().parents[4])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {} if alone else {"OMP_NUM_THREADS": "1"}
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **threads}
