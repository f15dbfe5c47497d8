"""Weighted F1: the classes' F1, each weighing as much as it has rows or words."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.counts import counts_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class WeightedF1(Metric):
    """The mean F1 of the classes, weighted by their rows (or words), as scikit-learn averages.

    A class that is only claimed weighs nothing itself; the claims cost the classes they are of.
    A word that the length limit cut off is missed by its class and claimed by none.
    """

    name = "weighted_f1"
    kinds = ("classification", "binary", "multi_label", "ordinal", "token_classification")

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 3 C]``: a class's right items; its true items; its claimed items."""
        return np.concatenate(counts_of(truth, decoded, len(spec.labels)), axis=1)

    def value(self, sums: Floats) -> Floats:
        right, true, claimed = np.split(sums, 3, axis=-1)  # [..., C] each
        f1 = 2 * ratio(right, true + claimed)
        return ratio((f1 * true).sum(axis=-1), true.sum(axis=-1))
