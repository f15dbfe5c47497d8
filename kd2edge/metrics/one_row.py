"""What one more row, of which nothing is known, could make of a metric: the phantom of bounds.

Its share of all rows is ``share``.  Of a mean over rows it adds ``share`` times the most that a row
can have; of a root of a mean, inside the root.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from kd2edge.metrics.metric import Floats, Measure
from kd2edge.tasks.spec import TaskSpec, Truth


@final
@dataclass(frozen=True, slots=True)
class OneRow:
    """How far one row reaches in one metric of one task.

    Args:
        least: value that the metric has at least.
        most: value that it has at most.
        span: what a row of share 1 could add to the difference of two models.
        power: the metric to this power is a mean over rows.
    """

    least: float
    most: float
    span: float
    power: int

    @classmethod
    def of(cls, made: Measure, spec: TaskSpec, truth: Truth) -> OneRow:
        """Of a metric on these labels."""
        return cls(*made.limits(spec), made.span(spec, truth), made.power)

    def lowest(self, values: Floats, share: Floats) -> Floats:
        """The least that values may be, the row included."""
        return np.maximum(self._mixed(values, share, self.most - self.span), self.least)

    def highest(self, values: Floats, share: Floats) -> Floats:
        """The most that values may be, the row included."""
        end = self.most if math.isinf(self.least) else self.least + self.span
        return np.minimum(self._mixed(values, share, end), self.most)

    def widest(self, above: Floats, below: Floats, share: Floats | float) -> Floats:
        """The most by which ``above`` may exceed ``below``, the row included."""
        if self.power == 1:
            return (1 - share) * (above - below) + share * self.span
        return self._mixed(above, share, self.most) - self._mixed(below, share, self.least)

    def leverage(self, value: float) -> float:
        """What a row of a small share adds to a difference, per share, where both are ``value``."""
        if self.power == 1:
            return self.span
        power = self.power
        slope = power * max(value, self.most / 1000) ** (power - 1)
        return (self.most**power - self.least**power) / slope

    def _mixed(self, values: Floats, share: Floats | float, end: float) -> Floats:
        """Values with a row that by itself has ``end``."""
        if self.power == 1:
            return (1 - share) * values + share * end
        return ((1 - share) * values**self.power + share * end**self.power) ** (1 / self.power)
