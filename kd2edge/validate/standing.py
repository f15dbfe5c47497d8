"""What rows without a stored PyTorch output show: nothing, unless their stand-in passed itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.store import Bundle
from kd2edge.errors import UsageError
from kd2edge.metrics.kinds import metric
from kd2edge.ragged import Ragged
from kd2edge.runtime.known import known_here
from kd2edge.validate.record import Metrics
from kd2edge.validate.reference import Reference
from kd2edge.validate.validation import ArtefactResult, TaskResult
from kd2edge.verdict import Word

__all__ = [
    "FALLBACK",
    "as_drawn",
    "as_reported",
    "require_stored",
    "says_something",
    "stands_for",
    "unstored",
]

#: Standard errors by which rows that chance drew are hardly ever easier than all.
_CHANCE = 5.0
#: Rows of a class that chance hardly ever passes over.
_MISSED = 15.0
#: The artefact that stands in where rows have no stored PyTorch output.
FALLBACK = "onnx-fp32"
_ENDS = {"low": "at least", "high": "at most"}


def require_stored(bundle: Bundle, split: str, stored: int, rows: int) -> None:
    """Refuse to judge a run's own rows by a stand-in alone: their outputs belong to the bundle.

    Args:
        bundle: that is judged.
        split: ``validation`` or ``test``.
        stored: rows that have a stored output.
        rows: rows in all.

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


def stands_for(bundle: Bundle, home: Path, verdict: Word, missing: int, rows: int) -> str:
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


def as_reported(tasks: Mapping[str, TaskResult], said: Metrics | None) -> dict[str, TaskResult]:
    """Passes on fresh rows that are far below the report become ``undecided``.

    A drop is paired: under labels that mean nothing, reference and artefact are as wrong, and none
    shows.  The report says what right labels on rows like its own would give.
    """
    return {task: _as_reported(task, part, said) for task, part in tasks.items()}


def _as_reported(task: str, part: TaskResult, said: Metrics | None) -> TaskResult:
    found = part.metrics.get(part.metric)
    scale = metric(part.metric).scale
    # The end of an interval that speaks for its rows, and the one against them.
    good, poor = ("low", "high") if scale.lower_is_better else ("high", "low")
    stated = None if said is None else said.get(task, {}).get(part.metric, {}).get(poor)
    if part.verdict != "pass" or found is None or stated is None:
        return part
    here = {"low": found.candidate.low, "high": found.candidate.high}[good]
    if scale.fall(float(stated), here) <= part.max_drop:
        return part
    reason = (
        f"{part.metric} is {_ENDS[good]} {here:.4f} on these rows, {_ENDS[poor]} "
        f"{float(stated):.4f} in the "
        "report: rows or labels are unlike those of the report, so that no drop would show"
    )
    return replace(part, verdict="undecided", reason=reason)


def as_drawn(
    tasks: Mapping[str, TaskResult], reference: Reference, places: npt.NDArray[np.int64]
) -> dict[str, TaskResult]:
    """Passes on rows that are no fair part of their split become ``undecided``.

    Whoever gives the rows that an artefact has right, or those of some classes, shows nothing of
    the others.  PyTorch's own decisions say how easy the rows are, apart from any artefact.  Tasks
    that label words are passed over: their rows lie in documents, and the next ones are alike.

    Args:
        tasks: results by task.
        reference: the split's.
        places: where the rows stand in it.
    """
    some = np.unique(places)
    if len(some) in {0, len(reference.ids)}:
        return dict(tasks)
    found: dict[str, TaskResult] = {}
    for task, part in tasks.items():
        truth, decided = reference.truths.get(task), reference.decoded[task].first
        odd = ""
        if part.verdict == "pass" and truth is not None and _is_one_class(decided):
            odd = _picked(np.asarray(truth.first), np.asarray(decided), some)
        reason = f"the rows are no fair part of the split: {odd}; give all, or some drawn by chance"
        found[task] = replace(part, verdict="undecided", reason=reason) if odd else part
    return found


def _is_one_class(decided: Any) -> bool:
    """Whether each row has one class: of several labels, or of values, nothing is looked at."""
    return not isinstance(decided, Ragged) and decided.ndim == 1 and decided.dtype.kind == "i"


def _picked(truth: npt.NDArray[Any], decided: npt.NDArray[Any], some: npt.NDArray[np.int64]) -> str:
    """How some rows differ from all by more than chance gives; "" when they do not."""
    chosen = np.zeros(len(truth), np.bool_)
    chosen[some] = True
    known = truth >= 0
    truth, decided, chosen = truth[known], decided[known], chosen[known]
    rows, drawn = len(truth), int(chosen.sum())
    if not 0 < drawn < rows:
        return ""
    right = truth == decided
    share, own = float(right.mean()), float(right[chosen].mean())
    error = math.sqrt(share * (1 - share) / drawn * (rows - drawn) / max(1, rows - 1))
    if own - share > _CHANCE * (error + 1 / drawn):
        return f"PyTorch has {own:.1%} of them right, and {share:.1%} of all"
    counts, there = np.bincount(truth), np.bincount(truth[chosen], minlength=int(truth.max()) + 1)
    # As many as would be drawn of a class by chance: of none with so many that is next to unknown.
    absent = int(((there == 0) & (counts * (drawn / rows) > _MISSED)).sum())
    return f"{absent} of its classes have no row among them" if absent else ""


def says_something(found: ArtefactResult) -> bool:
    """Whether it ran and, where there are rows, a task was measured or something failed."""
    unmeasured = bool(found.tasks) and all(
        part.verdict == "not_run" for part in found.tasks.values()
    )
    return found.verdict != "not_run" and (found.verdict == "fail" or not unmeasured)
