"""The one number that a decision is cut at, where it is fitted: a threshold, or a quantile.

A recipe states it, or leaves it to the validation rows.  What is fitted belongs to one model: the
same task has another cut in the teacher, in the student and in the baseline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from kd2edge.tasks.spec import Decoded, TaskSpec

__all__ = [
    "CANDIDATES",
    "CUTS",
    "FITTED",
    "STATED_CUT",
    "Goodness",
    "cut_settings",
    "cut_text",
    "fitted_cut",
    "is_cut_fitted",
]

#: How good decisions are, higher is better: the leading metric of the task, on labelled rows.
Goodness: TypeAlias = Callable[[Decoded], float]

#: Decode setting, 1 or absent: the cut is fitted to validation rows.  No decision follows from it.
FITTED: Final = "fitted"
#: Decode settings at which a decision is cut, those of all kinds.
CUTS: Final = ("quantile", "threshold")
#: Where a decision is cut unless somebody says otherwise.
STATED_CUT: Final = 0.5

# Hundredths, and what lies nearer to 0 and 1: rare labels are decided by small chances.
_TAIL = (0.001, 0.002, 0.005)
#: What is tried, nearest to the middle first, so that of equally good ones that is found.
CANDIDATES: Final = tuple(
    sorted(
        (*_TAIL, *(step / 100 for step in range(1, 100)), *(1 - one for one in _TAIL)),
        key=lambda cut: abs(cut - STATED_CUT),
    )
)


def cut_settings(key: str, cut: float | None) -> dict[str, float]:
    """Decode settings of a task whose decisions are cut at a setting.

    Args:
        key: the setting.
        cut: what a recipe states; None: it is to be fitted, and stands in the middle until then.
    """
    return {key: STATED_CUT, FITTED: 1} if cut is None else {key: cut}


def is_cut_fitted(decode: Mapping[str, float]) -> bool:
    """Whether a task's cut is fitted to validation rows."""
    return decode.get(FITTED, 0) == 1


def cut_text(spec: TaskSpec) -> str:
    """Where a task's decisions are cut and why, for people; "" where that goes without saying."""
    key = next((key for key in CUTS if key in spec.decode), "")
    if not key or (spec.decode[key] == STATED_CUT and not is_cut_fitted(spec.decode)):
        return ""
    why = (
        f", which is best by {spec.metric} on validation rows" if is_cut_fitted(spec.decode) else ""
    )
    return f"decided at the {key} {spec.decode[key]:g}{why}"


def fitted_cut(decided: Callable[[float], Decoded], goodness: Goodness) -> float:
    """The candidate whose decisions are the best ones; of equally good ones that next to 0.5.

    Args:
        decided: cut -> the decisions of labelled rows.
        goodness: of decisions of these rows; NaN is worse than anything.
    """
    best, found = -float("inf"), STATED_CUT
    for cut in CANDIDATES:
        if (value := goodness(decided(cut))) > best:  # also False for NaN
            best, found = value, cut
    return found
