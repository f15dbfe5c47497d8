"""The words of a verdict and its rule.

A leaf: the gate judges by it, and whoever reads evidence judges again by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

__all__ = [
    "ANY_FALL",
    "CONFIDENCE",
    "FP32_TOLERANCE",
    "ORDER",
    "STATUSES",
    "CheckWord",
    "Status",
    "Word",
    "as_word",
    "verdict",
    "worst",
]

#: Confidence of each one-sided bound where a manifest states none.
CONFIDENCE = 0.95
#: What a class may lose where nobody says it: any fall is named, and none fails.
ANY_FALL = 1.0
#: Largest absolute error of a logit of an fp32 artefact.
FP32_TOLERANCE = 1e-4

#: The words of a verdict, from harmless to grave; the gravest of several decides.
Word: TypeAlias = Literal["not_run", "pass", "undecided", "fail"]
ORDER: tuple[Word, ...] = get_args(Word)
#: What became of an artefact when it was made.
Status: TypeAlias = Literal["ready", "needs_device", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
#: What a single check says.
CheckWord: TypeAlias = Literal["ok", "failed", "not_run"]


def verdict(low: float, high: float, max_drop: float) -> Word:
    """``pass``: the upper bound is within the budget; ``fail``: the lower one is above it.

    NaN is never within and never above: ``undecided``.
    """
    if high <= max_drop and low <= high:
        return "pass"
    return "fail" if low > max_drop and low <= high else "undecided"


def as_word(found: object) -> Word:
    """The word of a verdict that a file holds.

    Raises:
        ValueError: it is none.
    """
    if found not in ORDER:
        raise ValueError(f"no verdict: {found!r:.40}")
    return ORDER[ORDER.index(found)]


def worst(verdicts: Iterable[Word]) -> Word:
    """The gravest of some verdicts; ``not_run`` when there is none."""
    return ORDER[max(map(ORDER.index, verdicts), default=0)]
