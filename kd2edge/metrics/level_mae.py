"""Mean absolute error in levels: by how many levels decisions are off on average."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.levels import level_columns
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.scale import Scale
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class LevelMae(Metric):
    """The mean distance of decided and true level; lower is better, 0 is right everywhere."""

    name = "level_mae"
    kinds = ("ordinal",)
    scale = Scale("levels", 1, lower_is_better=True)

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        return 0.0, float(len(spec.labels) - 1)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: levels off, labelled rows."""
        has, true, said = level_columns(spec, truth, decoded)
        return np.stack([np.abs(true - said), has], axis=1)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])
