"""What rows without a stored PyTorch output show: nothing, unless their stand-in passed itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kd2edge.bundle.store import Bundle
from kd2edge.errors import UsageError
from kd2edge.runtime.known import known_here
from kd2edge.validate.record import SplitRecord
from kd2edge.validate.validation import ArtefactResult, TaskResult

__all__ = ["FALLBACK", "as_reported", "require_stored", "says_something", "stands_for", "unstored"]

#: The artefact that stands in where rows have no stored PyTorch output.
FALLBACK = "onnx-fp32"


def require_stored(bundle: Bundle, split: str, stored: int, rows: int) -> None:
    """Refuse to judge a run's own rows by a stand-in alone: their outputs belong to the bundle.

    Raises:
        UsageError: none of the rows has a stored output.
    """
    if stored:
        return
    file = bundle.manifest.references.get(split)
    if file is None:
        what = f"it has no reference of the {split} split: export the run again"
    elif file in bundle.left_out:
        what = f"{file} was left out of it: copy it along"
    else:
        what = f"{file} is of other rows: export the run again"
    raise UsageError(
        f"{bundle.path}: 0 of the run's {rows:,} rows have a stored PyTorch output in this bundle; "
        f"{what}"
    )


def unstored(split: str, missing: int, rows: int) -> str:
    """Why a run's own rows prove nothing where some have no stored output."""
    return (
        f"{missing:,} of the {rows:,} rows of the {split} split have no stored PyTorch output in "
        "this bundle: export the run again"
    )


def stands_for(bundle: Bundle, home: Path, verdict: str, missing: int, rows: int) -> str:
    """Why the stand-in's word for ``missing`` rows counts for nothing; "" when it counts.

    Args:
        bundle: the bundle.
        home: where its evidence is.
        verdict: the stand-in's own in this validation; ``not_run`` when none of its rows has a
            stored output, ``undecided`` when few of them have.
        missing: rows that it stands in for.
        rows: all rows.
    """
    if verdict == "pass":
        return ""
    known = known_here(bundle, home).verdicts.get(FALLBACK)
    # Few rows of its own say nothing against what more of them showed before; a fail does.
    if verdict in {"not_run", "undecided"} and known is not None and known.word == "pass":
        return ""
    return (
        f"{missing:,} of {rows:,} rows have no stored PyTorch output, and {FALLBACK}, which stands "
        "in for it, has not itself passed against PyTorch here: validate on the run's own rows "
        "first (--run DIR)"
    )


def as_reported(tasks: Mapping[str, TaskResult], said: SplitRecord | None) -> dict[str, TaskResult]:
    """Passes on fresh rows that are far below the report become ``undecided``.

    A drop is paired: under labels that mean nothing, reference and artefact are as wrong, and none
    shows.  The report says what right labels on rows like its own would give.
    """
    return {task: _as_reported(task, part, said) for task, part in tasks.items()}


def _as_reported(task: str, part: TaskResult, said: SplitRecord | None) -> TaskResult:
    found = part.metrics.get(part.metric)
    low = None if said is None else said.tasks.get(task, {}).get(part.metric, {}).get("low")
    if part.verdict != "pass" or found is None or low is None:
        return part
    high = found.candidate.high
    if high >= float(low) - part.max_drop:
        return part
    reason = (
        f"{part.metric} is at most {high:.4f} on these rows, at least {float(low):.4f} in the "
        "report: rows or labels are unlike those of the report, so that no drop would show"
    )
    return replace(part, verdict="undecided", reason=reason)


def says_something(found: ArtefactResult) -> bool:
    """Whether it ran and, where there are rows, a task was measured or something failed."""
    unmeasured = bool(found.tasks) and all(
        part.verdict == "not_run" for part in found.tasks.values()
    )
    return found.verdict != "not_run" and (found.verdict == "fail" or not unmeasured)
