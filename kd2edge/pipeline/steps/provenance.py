"""What a run came from, as fingerprints in its report."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from kd2edge.errors import IntegrityError, StorageError, UsageError
from kd2edge.files import fingerprint_bytes
from kd2edge.json_text import json_value
from kd2edge.reporting.reading import SCHEMA

__all__ = ["KEYS", "code_fingerprint", "read_report"]

#: The package's own folder.
_PACKAGE = Path(__file__).parents[2]
#: What a report says that a run came from.
KEYS = ("recipe", "data", "teacher")


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
        UsageError: an older kd2edge wrote it.
    """
    try:
        report = json_value(path.read_bytes(), strict=False)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IntegrityError(f"{path}: damaged ({error}): run `kd2edge distill` again") from error
    prints = report.get("fingerprints") if isinstance(report, dict) else None
    if not isinstance(prints, dict) or any(key not in prints for key in KEYS):
        raise IntegrityError(f"{path}: no report of a run: run `kd2edge distill` again")
    if report.get("schema", 0) < SCHEMA or "meaning" not in prints:
        raise UsageError(
            f"{path}: has schema {report.get('schema')}, this kd2edge reads {SCHEMA}: run "
            "`kd2edge distill` again, with --resume"
        )
    return report
