"""Root mean squared error: like the mean error, far ones weighing more."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.metrics.values import error_limits, large_error, value_columns
from kd2edge.scale import Scale
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class Rmse(Metric):
    """In the unit of the values; lower is better."""

    name = "rmse"
    kinds = ("regression",)
    scale = Scale("", 1, lower_is_better=True)
    power = 2

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        return error_limits(spec)

    def large(self, spec: TaskSpec) -> float:
        return large_error(spec)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: squared error, labelled rows."""
        has, _, error = value_columns(spec, truth, decoded)
        return np.stack([error * error, has], axis=1)

    def value(self, sums: Floats) -> Floats:
        return np.sqrt(ratio(sums[..., 0], sums[..., 1]))
