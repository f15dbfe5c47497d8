"""AUC: the chance that a positive row scores higher than a negative one."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.metric import Floats, RankMetric
from kd2edge.metrics.ratio import ratio
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth


@final
class Auc(RankMetric):
    """Area under the ROC curve of a yes-or-no task; equal scores count half (midranks).

    Rows are resampled within positives and within negatives, so that no resample lacks one of them.
    """

    name = "auc"
    kinds = ("binary",)

    def value_weighted(
        self, spec: TaskSpec, truth: Truth, decoded: Decoded, weights: Floats
    ) -> Floats:
        labels, scores = truth.labels, decoded.scores
        if isinstance(labels, Ragged) or isinstance(scores, Ragged):
            raise ValueError("auc is defined for a label a row, found a label a word")
        has = np.flatnonzero(labels != MISSING)
        order = has[np.argsort(scores[has], kind="stable")]
        positive = labels[order] == 1
        if positive.all() or not positive.any():
            raise DataError(
                f"task {spec.name!r}: auc needs rows of both labels, found only one among "
                f"{len(order)} labelled rows"
            )
        ties = np.flatnonzero(
            np.diff(scores[order], prepend=np.nan) != 0
        )  # where equal scores begin
        ordered = weights[:, order]
        above = np.add.reduceat(ordered * positive, ties, axis=1)  # [resample, score]
        below = np.add.reduceat(ordered * ~positive, ties, axis=1)
        # A positive wins against every negative of a lower score, and half against an equal one.
        wins = above * (np.cumsum(below, axis=1) - below / 2)
        return ratio(wins.sum(axis=1), above.sum(axis=1) * below.sum(axis=1))

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        return None if isinstance(truth.labels, Ragged) else truth.labels
