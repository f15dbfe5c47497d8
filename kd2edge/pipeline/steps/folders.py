"""Where things stand in a run directory (design section 5), and which run is the latest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

from kd2edge.errors import UsageError

#: Default parent of runs and of bundles, relative to the working directory.
RUNS = Path("runs")
MODELS = Path("models")


@final
@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def rows(self) -> Path:
        """How to open the run's rows again without its recipe: what ``validate`` reads."""
        return self.path / "rows.json"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def meaning(self) -> Path:
        """What the student's outputs mean, and which rows they are of."""
        return self.path / "meaning.json"

    @property
    def html(self) -> Path:
        return self.path / "report.html"

    @property
    def student(self) -> Path:
        """Stem of ``student.safetensors`` and ``student.json``."""
        return self.path / "student"

    @property
    def baseline(self) -> Path:
        return self.path / "baseline"

    @property
    def reference(self) -> Path:
        """Stem of ``reference.npz``: what a cheap model says of the judged rows."""
        return self.path / "reference"

    @property
    def phases(self) -> Path:
        """What the student was at the end of each phase but the last."""
        return self.path / "phases"

    @property
    def teachers(self) -> Path:
        return self.path / "teachers"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    def checkpoints_of(self, name: str) -> Path:
        """Folder of the checkpoints of one net: ``student``, ``teacher-NAME``, ``phase-NAME``."""
        return self.checkpoints / name

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def finished(self) -> bool:
        """The report is the last thing that a run writes."""
        return self.report.is_file()


def latest_run(runs: Path = RUNS) -> RunFolder:
    """The latest finished run under ``runs``.

    Raises:
        UsageError: there is none.
    """
    link = runs / "latest"
    if link.is_dir() and RunFolder(link.resolve()).finished:
        return RunFolder(link.resolve())
    finished = [p for p in runs.glob("*/report.json") if not p.parent.is_symlink()]
    if not finished:
        raise UsageError(
            f"no finished run under {runs}/: name one, or make one with `kd2edge distill RECIPE`"
        )
    return RunFolder(max(finished, key=lambda report: report.stat().st_mtime).parent)


def opened_run(path: Path | None) -> RunFolder:
    """The run at ``path`` (the latest one for None), which must be finished.

    Raises:
        UsageError: no such folder, or its student is not finished.
    """
    if path is None:
        return latest_run()
    run = RunFolder(path)
    if not path.is_dir():
        raise UsageError(f"{path}: no such run directory")
    if not run.finished:
        raise UsageError(
            f"{path}: this run is not finished (no report.json): go on with "
            f"`kd2edge distill {run.recipe} --run-dir {path} --resume`"
        )
    return run


def run_to_write(path: Path) -> RunFolder:
    """The run at ``path``; a link, like ``runs/latest``, means the run that it points to.

    Raises:
        UsageError: a link that points to itself.
    """
    if not path.is_symlink():
        return RunFolder(path)
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise UsageError(
            f"{path}: expected a run's folder, found a link that points to itself; remove it, or "
            "name another folder with --run-dir"
        )
    # What follows names the run in its messages: as short as it was given.
    beside = target.parent == Path(os.path.realpath(path.parent))
    return RunFolder(path.with_name(target.name) if beside else target)


def mark_latest(run: RunFolder) -> None:
    """Let ``runs/latest`` point to ``run``, where the file system has links."""
    link = run.path.parent / "latest"
    temporary = run.path.parent / f".latest-{os.getpid()}"
    try:
        temporary.symlink_to(run.path.name, target_is_directory=True)
        temporary.replace(link)
    except OSError:
        # No links here, or a folder of that name: `latest_run` falls back to the newest report.
        temporary.unlink(missing_ok=True)
