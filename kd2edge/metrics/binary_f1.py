"""F1 of the positive class of a yes-or-no task."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.items import items_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class BinaryF1(Metric):
    """F1 of the second label, at the threshold that the decisions were made with."""

    name = "binary_f1"
    kinds = ("binary",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: right positives; true plus claimed positives."""
        del spec
        items = items_of(truth, decoded).labelled()
        true, claimed = items.truth == 1, items.decided == 1
        both = np.bincount(items.row, true & claimed, minlength=items.rows)
        either = np.bincount(items.row, true.astype(np.float64) + claimed, minlength=items.rows)
        return np.stack([both, either], axis=1).astype(np.float64)

    def value(self, sums: Floats) -> Floats:
        return ratio(2 * sums[..., 0], sums[..., 1])
