"""Accuracy: the share of rows, or of words, that are decided right."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.items import items_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class Accuracy(Metric):
    """Right items over labelled items.  A word that the length limit cut off counts as wrong."""

    name = "accuracy"
    kinds = ("classification", "binary", "ordinal", "token_classification")

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: right items, labelled items."""
        del spec
        items = items_of(truth, decoded).labelled()
        right = np.bincount(items.row, items.truth == items.decided, minlength=items.rows)
        labelled = np.bincount(items.row, minlength=items.rows)
        return np.stack([right, labelled], axis=1).astype(np.float64)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])
