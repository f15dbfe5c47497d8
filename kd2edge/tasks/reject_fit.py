"""The threshold of a task that rejects, from what a model says of labelled rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.probabilities import Labels
from kd2edge.tasks.spec import MISSING

__all__ = ["fitted_threshold"]


def fitted_threshold(
    scope: npt.NDArray[np.float64],
    likeliest: Labels,
    truth: Labels,
    label: int,
    in_scope_recall: float | None,
) -> float | None:
    """Below which score a row is rejected: for the best accuracy, or as a share is to be kept.

    Only rows whose largest logit is another label's are decided by it.  A threshold lies half-way
    between two scores that occur, so that rounding turns no row that it was fitted to; the lowest
    one is the lowest score.  Of thresholds with the same accuracy it is the lowest: it rejects the
    fewest rows.  O(n log n).

    Args:
        scope: ``[row]`` how far each row is in scope.
        likeliest: ``[row]`` the label with the largest logit; -1 for none.
        truth: ``[row]`` labels; ``MISSING`` ones do not count.
        label: the reject label.
        in_scope_recall: share of the rows in scope that must not be rejected; the threshold is the
            highest that keeps it.  Where the reject label's own logit wins more of them, it is the
            lowest.  None: the best accuracy.

    Returns:
        None: no labelled row is decided by a threshold.
    """
    known = truth != MISSING
    free = known & (likeliest >= 0) & (likeliest != label)
    if not free.any():
        return None
    steps, at = np.unique(scope[free], return_inverse=True)  # rising
    outside = truth[free] == label
    if in_scope_recall is None:
        right = likeliest[free] == truth[free]
        gains = np.bincount(at, outside.astype(np.float64) - right, minlength=len(steps))
        # What is won by rejecting all rows below step 0, 1, ...; never all of them.
        cut = int(np.concatenate([[0.0], np.cumsum(gains)[:-1]]).argmax())
    else:
        inside = np.bincount(at[~outside], minlength=len(steps))
        kept = np.cumsum(inside[::-1])[::-1]  # of the rows in scope, from each step on
        needed = needed_rows(in_scope_recall, int((known & (truth != label)).sum()))
        enough = np.flatnonzero(kept >= needed)
        cut = int(enough[-1]) if len(enough) else 0
    return _between(float(steps[max(cut - 1, 0)]), float(steps[cut]))


def needed_rows(share: float, rows: int) -> int:
    """The fewest of ``rows`` that are a share of them, whatever the product is rounded to."""
    return math.ceil(share * rows - 1e-9)


def _between(below: float, above: float) -> float:
    """Half-way, but above ``below``: rows are kept that reach a threshold."""
    middle = below + (above - below) / 2
    return middle if below < middle else above
