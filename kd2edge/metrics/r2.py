"""R²: which share of the values' variance a model explains."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.metrics.values import value_columns
from kd2edge.tasks.settings import centre, reach, spread
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth, is_stated


@final
class R2(Metric):
    """One less the squared errors over those of the mean of the same rows; at most 1.

    It is 0 where all values are the same.
    """

    name = "r2"
    kinds = ("regression",)

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        del spec
        return -math.inf, 1.0

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        """A row that is off by all that values reach, over their variance."""
        values = np.asarray(truth["values"], np.float64)
        variance = float(np.var(values[is_stated(values)]))
        low, high = reach(spec)
        return max((high - low) ** 2 / variance, 1.0) if variance else 1.0

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 4]``: labelled rows; value and its square, standardised; squared error."""
        has, true, error = value_columns(spec, truth, decoded)
        # About the training rows' mean: sums of squares of prices would lose the small digits.
        own = np.where(has > 0, (true - centre(spec)) / spread(spec), 0.0)
        return np.stack([has, own, own * own, (error / spread(spec)) ** 2], axis=1)

    def value(self, sums: Floats) -> Floats:
        rows = np.maximum(sums[..., 0], 1e-12)
        variance = sums[..., 2] / rows - (sums[..., 1] / rows) ** 2
        known = variance > 1e-12
        found = 1 - ratio(sums[..., 3] / rows, np.where(known, variance, 1.0))
        return np.where(known, found, 0.0)
