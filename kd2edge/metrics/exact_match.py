"""Exact match: the share of rows whose labels are all right and complete."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.metrics.items import has_label
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth


@final
class ExactMatch(Metric):
    """Rows decided right in every label; scikit-learn's accuracy of several labels a row."""

    name = "exact_match"
    kinds = ("multi_label",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2]``: right rows, labelled rows."""
        del spec
        labels, decided = np.asarray(truth.labels), np.asarray(decoded.labels)
        right = ((labels == decided) | (labels == MISSING)).all(axis=1)
        has = has_label(truth)
        return np.stack([right & has, has], axis=1).astype(np.float64)

    def value(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])
