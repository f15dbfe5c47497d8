"""Macro F1: the mean of the classes' F1, so that rare classes count like frequent ones."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.counts import counts_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


@final
class MacroF1(Metric):
    """The mean F1 of the classes that occur in truth or decisions, as scikit-learn averages.

    Rows are resampled within their true class, which keeps the rare ones at their size.  Sentences
    hold several classes, and so do rows of several labels: these are resampled by row alone.
    A word that the length limit cut off is missed by its class and claimed by none.
    """

    name = "macro_f1"
    kinds = ("classification", "binary", "multi_label", "ordinal", "token_classification")
    stratified = True

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2 C]``: a class's right items; its true plus its claimed items."""
        found = counts_of(truth, decoded, len(spec.labels))
        return np.concatenate([found.right, found.true + found.claimed], axis=1)

    def value(self, sums: Floats) -> Floats:
        right, whole = np.split(sums, 2, axis=-1)  # [..., C] each
        return ratio((2 * ratio(right, whole)).sum(axis=-1), (whole > 0).sum(axis=-1))

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        labels = truth.labels
        return None if isinstance(labels, Ragged) or labels.ndim > 1 else labels
