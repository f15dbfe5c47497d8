"""Quadratic weighted kappa: agreement of levels beyond chance, far errors weighing more."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.levels import level_columns
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth

#: Expected squared distances below this are rounding.
_NOTHING = 1e-9


@final
class QuadraticKappa(Metric):
    """Cohen's kappa with quadratic weights (Cohen 1968), in [-1, 1].

    One less the mean squared distance of decided and true level over that of levels drawn apart.
    It is 1 where all rows are of one level and decided so.
    """

    name = "quadratic_kappa"
    kinds = ("ordinal",)

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        del spec
        return -1.0, 1.0

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        """A row that is off by all levels, over the least distance that chance has: the spread."""
        labels = np.asarray(truth.labels)
        spread = float(np.var(labels[labels != MISSING]))
        return max((len(spec.labels) - 1) ** 2 / spread, 2.0) if spread else 2.0

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 5]``: labelled rows; true level, decided level; squares of both; product."""
        has, true, said = level_columns(spec, truth, decoded)
        return np.stack([has, true, said, true * true + said * said, true * said], axis=1)

    def value(self, sums: Floats) -> Floats:
        rows = np.maximum(sums[..., 0], 1e-12)
        true, said, squares, product = (sums[..., k] / rows for k in range(1, 5))
        found, chance = squares - 2 * product, squares - 2 * true * said
        known = chance > _NOTHING
        return 1 - ratio(np.where(known, found, 0.0), np.where(known, chance, 1.0))
