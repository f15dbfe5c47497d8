"""What F1 of classes is made of: for each row and class, right, true and claimed items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kd2edge.metrics.items import items_of, row_sums
from kd2edge.metrics.metric import Floats
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, Decoded, Truth


class Counts(NamedTuple):
    """Items of labelled rows, ``[row, C]`` each.

    A word that the length limit cut off is missed by its class and claimed by none.
    """

    right: Floats
    true: Floats
    claimed: Floats


def counts_of(truth: Truth, decoded: Decoded, classes: int) -> Counts:
    """Count a class a row (or word), or each of the several that a row may have."""
    labels, decided = truth.labels, decoded.labels
    if not isinstance(labels, Ragged) and not isinstance(decided, Ragged) and labels.ndim == 2:
        known = labels != MISSING
        true, claimed = labels == 1, (decided == 1) & known
        found = (true & claimed, true, claimed)
        return Counts(*(part.astype(np.float64) for part in found))
    items = items_of(truth, decoded).labelled()
    # -1 is clipped to class 0 and weighs nothing.
    return Counts(
        row_sums(items, items.truth, items.truth == items.decided, classes),
        row_sums(items, items.truth, np.ones(len(items.truth)), classes),
        row_sums(items, np.maximum(items.decided, 0), items.decided >= 0, classes),
    )
