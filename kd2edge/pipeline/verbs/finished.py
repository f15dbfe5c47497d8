"""A finished run, read once: what ``export``, ``validate``, ``bench`` and ``report`` take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from kd2edge.bundle import Bundle
from kd2edge.errors import IntegrityError, StorageError, UsageError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.pipeline.steps.folders import RUNS, RunFolder, latest_run, opened_run
from kd2edge.pipeline.steps.provenance import KEYS, read_report
from kd2edge.validate.meaning import Meaning, open_meaning
from kd2edge.validate.record import Metrics, Record

__all__ = ["FinishedRun", "finished_run", "read_run", "run_of"]

_KEPT = ("value", "low", "high", "confidence")


@final
@dataclass(frozen=True, slots=True)
class FinishedRun:
    """What a run says of itself.

    Args:
        folder: where its files are.
        report: its ``report.json``.
        meaning: what its student's outputs mean.
        weights: SHA-256 of its student's safetensors, as they are.
    """

    folder: RunFolder
    report: Mapping[str, Any]
    meaning: Meaning
    weights: str

    @property
    def name(self) -> str:
        """The recipe's name."""
        return str(self.report["name"])

    @property
    def provenance(self) -> dict[str, str]:
        """Fingerprints of recipe, data, teacher, its student's weights, and of the run itself."""
        found = {key: str(self.report["fingerprints"][key]) for key in KEYS}
        return {
            **found,
            "student": self.weights,
            "run": fingerprint([self.weights, found]),
        }

    @property
    def record(self) -> Record:
        """What a bundle carries of its report."""
        splits: Mapping[str, Any] = self.report["splits"]
        return Record(
            str(self.report["fingerprints"]["meaning"]),
            {name: _metrics(one) for name, one in splits.items()},
            {
                name: {lacked: _metrics(part) for lacked, part in one["without"].items()}
                for name, one in splits.items()
                if one.get("without")
            },
        )


def read_run(folder: RunFolder) -> FinishedRun:
    """Read a run whose report is there.

    Raises:
        StorageError: report, meaning or student cannot be read.
        IntegrityError: report or meaning is damaged.
        UsageError: an older kd2edge wrote it.
    """
    report = read_report(folder.report)
    weights = folder.student.with_name("student.safetensors")
    try:
        student = fingerprint_bytes(weights.read_bytes())
        meaning = open_meaning(folder.meaning.read_bytes(), str(folder.meaning))
    except OSError as error:
        raise StorageError(f"{error.filename}: cannot be read: {error.strerror}") from error
    return FinishedRun(folder, report, meaning, student)


def _metrics(split: Mapping[str, Any]) -> Metrics:
    """The student's metrics on a split, or without an input, as a bundle carries them."""
    return {
        task: {
            metric: {key: numbers.get(key) for key in _KEPT}
            for metric, numbers in models["student"]["metrics"].items()
        }
        for task, models in split["tasks"].items()
    }


def finished_run(path: Path | None = None) -> FinishedRun:
    """The run at ``path``; None: the latest one.

    Raises:
        UsageError: no such run, or one that is not finished.
        StorageError, IntegrityError: it cannot be read.
    """
    return read_run(latest_run() if path is None else opened_run(path))


def run_of(bundle: Bundle, runs: Iterable[Path] = ()) -> FinishedRun | None:
    """The finished run that a bundle's manifest names, when it is at hand.

    Looks in ``runs`` (default: ``runs/`` here and beside the bundle's parent folder).
    """
    wanted = bundle.manifest.provenance.get("run", "")
    for place in list(runs) or [RUNS, bundle.path.resolve().parent.parent / "runs"]:
        for report in sorted(place.glob("*/report.json")):
            try:
                run = read_run(RunFolder(report.parent))
            except (StorageError, IntegrityError, UsageError):
                continue  # another run's damage is none of this bundle's business
            if run.provenance["run"] == wanted:
                return run
    return None
