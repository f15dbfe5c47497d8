"""Mean absolute error: by how much values are off on average."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.metrics.values import value_columns
from kd2edge.scale import Scale
from kd2edge.tasks.settings import reach, spread
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class Mae(Metric):
    """In the unit of the values; lower is better."""

    name = "mae"
    kinds = ("regression",)
    scale = Scale("", 1, lower_is_better=True)

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        """Up to the stated bounds' distance, else to that of the training rows' labels."""
        low, high = reach(spec)
        return 0.0, high - low

    def large(self, spec: TaskSpec) -> float:
        """Two standard deviations of the training rows' labels: bounds may lie far beyond."""
        return 2 * spread(spec)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: absolute error, labelled rows."""
        has, _, error = value_columns(spec, truth, decoded)
        return np.stack([np.abs(error), has], axis=1)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])
