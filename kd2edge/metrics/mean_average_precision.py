"""Mean average precision of labels: how well each label's scores rank the rows that have it."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.metric import Floats, RankMetric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth

Bools = npt.NDArray[np.bool_]


@final
class MeanAveragePrecision(RankMetric):
    """The mean over labels of the average precision, as scikit-learn's with ``average="macro"``.

    A label's average precision is the sum over scores, from the best, of the precision there times
    the recall that is gained; equal scores are one step.  The mean leaves out labels that no row
    (of a resample) has.
    """

    name = "map"
    kinds = ("multi_label",)

    def value_weighted(
        self, spec: TaskSpec, truth: Truth, decoded: Decoded, weights: Floats
    ) -> Floats:
        labels = np.asarray(truth.labels)  # [row, label]
        scores: npt.NDArray[Any] = np.asarray(decoded.scores)
        total, there = np.zeros(len(weights)), np.zeros(len(weights))
        for label in np.flatnonzero((labels == 1).any(axis=0)):
            known = labels[:, label] != MISSING
            own = _average_precision(
                labels[known, label] == 1, scores[known, label], weights[:, known]
            )
            some = np.isfinite(own)
            total += np.where(some, own, 0.0)
            there += some
        if not there.any():
            raise DataError(f"task {spec.name!r}: map needs rows with labels, found none with any")
        return ratio(total, there)


def _average_precision(positive: Bools, scores: npt.NDArray[Any], weights: Floats) -> Floats:
    """Average precision ``[resample]``; NaN where a resample has no positive row."""
    order = np.argsort(-scores, kind="stable")
    steps = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)  # where scores change
    ordered = weights[:, order]
    hits = np.add.reduceat(ordered * positive[order], steps, axis=1)  # [resample, score]
    seen = np.cumsum(np.add.reduceat(ordered, steps, axis=1), axis=1)
    precision = ratio(np.cumsum(hits, axis=1), seen)
    whole = hits.sum(axis=1)
    return np.where(whole > 0, ratio((hits * precision).sum(axis=1), whole), np.nan)
