"""What a run came from, as fingerprints: in its report, and in every bundle made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kd2edge.errors import IntegrityError, StorageError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.json_text import json_value
from kd2edge.pipeline.folders import RUNS, RunFolder

__all__ = ["code_fingerprint", "read_report", "run_fingerprint", "run_of"]

#: The package's own folder.
_PACKAGE = Path(__file__).parent.parent
_KEYS = ("recipe", "data", "teacher")


def code_fingerprint(root: Path = _PACKAGE) -> str:
    """SHA-256 over the Python files of the package, or of another folder: which code trained."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(fingerprint_bytes(path.read_bytes()).encode())
    return digest.hexdigest()


def read_report(path: Path) -> dict[str, Any]:
    """A run's ``report.json``.

    Raises:
        StorageError: it cannot be read.
        IntegrityError: it is damaged.
    """
    try:
        report = json_value(path.read_bytes(), strict=False)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IntegrityError(f"{path}: damaged ({error}): run `kd2edge distill` again") from error
    prints = report.get("fingerprints") if isinstance(report, dict) else None
    if not isinstance(prints, dict) or any(key not in prints for key in _KEYS):
        raise IntegrityError(f"{path}: no report of a run: run `kd2edge distill` again")
    return report


def run_fingerprint(run: RunFolder) -> dict[str, str]:
    """Provenance of a run: recipe, data, teacher, its student's weights, and the run itself."""
    prints = read_report(run.report)["fingerprints"]
    weights = run.student.with_name("student.safetensors")
    try:
        student = fingerprint_bytes(weights.read_bytes())
    except OSError as error:
        raise StorageError(f"{weights}: cannot be read: {error.strerror}") from error
    found = {key: str(prints[key]) for key in _KEYS}
    return {**found, "student": student, "run": fingerprint([student, found])}


def run_of(provenance: str, bundle: Path, runs: Iterable[Path] = ()) -> RunFolder | None:
    """The finished run with the fingerprint that a manifest names, when it is at hand.

    Looks in ``runs`` (default: ``runs/`` here and beside the bundle's parent folder).
    """
    places = list(runs) or [RUNS, bundle.resolve().parent.parent / "runs"]
    for place in places:
        for report in sorted(place.glob("*/report.json")):
            run = RunFolder(report.parent)
            try:
                if run_fingerprint(run)["run"] == provenance:
                    return run
            except (StorageError, IntegrityError):
                continue  # another run's damage is none of this bundle's business
    return None
