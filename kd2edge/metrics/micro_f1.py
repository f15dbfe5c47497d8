"""Micro F1: F1 over all labels of all rows together."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.counts import counts_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class MicroF1(Metric):
    """F1 of decided labels against true ones, every one counting alike, as scikit-learn's micro.

    Where each row has one label it would be the accuracy, so it is for several labels a row.
    """

    name = "micro_f1"
    kinds = ("multi_label",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: right labels; true plus claimed labels."""
        found = counts_of(truth, decoded, len(spec.labels))
        whole = (found.true + found.claimed).sum(axis=1)
        return np.stack([found.right.sum(axis=1), whole], axis=1)

    def value(self, sums: Floats) -> Floats:
        return ratio(2 * sums[..., 0], sums[..., 1])
