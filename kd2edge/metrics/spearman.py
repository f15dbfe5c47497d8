"""Spearman's rank correlation: whether a model orders rows as their values do."""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.items import has_label
from kd2edge.metrics.metric import Floats, RankMetric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

Values = npt.NDArray[Any]


@final
class Spearman(RankMetric):
    """The correlation of ranks, in [-1, 1]; equal values share the middle of their ranks.

    An ordinal task is ranked by the mean of its distribution, which says more than the level that
    it decides on.
    """

    name = "spearman"
    kinds = ("ordinal", "regression")

    def limits(self, spec: TaskSpec) -> tuple[float, float]:
        del spec
        return -1.0, 1.0

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        """A row at the one end that one model ranks there and the other at the other end.

        By a share of s it moves a correlation of r by up to 3 (1 - r) s upwards and 3 (1 + r) s
        downwards: the correlation of ranks is 12 times their mean product about the middle.
        """
        del spec, truth
        return 6.0

    def value_weighted(
        self, spec: TaskSpec, truth: Truth, decoded: Decoded, weights: Floats
    ) -> Floats:
        has = np.flatnonzero(has_label(truth))
        true, said = np.asarray(truth.first)[has], _said(decoded)[has]
        if len(np.unique(true)) < 2:
            raise DataError(
                f"task {spec.name!r}: spearman needs rows of different values, found only one "
                f"value among {len(has)} labelled rows"
            )
        own = weights[:, has]
        return _correlation(_ranks(true, own), _ranks(said, own), own)


def _said(decoded: Decoded) -> Values:
    """What a model ranks rows by ``[row]``: its value, or the mean level."""
    if "values" in dict(decoded.items()):
        return np.nan_to_num(np.asarray(decoded["values"], np.float64))
    scores: Floats = np.asarray(decoded.scores, np.float64)
    return scores @ np.arange(scores.shape[1], dtype=np.float64)


def _ranks(values: Values, weights: Floats) -> Floats:
    """The middle of the weight that each row's equals hold: both ``[resample, row]``."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)  # where values change
    own = np.add.reduceat(weights[:, order], starts, axis=1)  # [resample, value]
    middle = np.cumsum(own, axis=1) - own / 2
    found = np.empty_like(weights)
    found[:, order] = np.repeat(middle, np.diff(starts, append=len(order)), axis=1)
    return found


def _correlation(one: Floats, other: Floats, weights: Floats) -> Floats:
    """Pearson's, weighted ``[resample]``; 0 where one side is all equal."""
    shares = weights / weights.sum(axis=1, keepdims=True)
    one = one - (one * shares).sum(axis=1, keepdims=True)
    other = other - (other * shares).sum(axis=1, keepdims=True)
    both = (one * other * shares).sum(axis=1)
    sizes = (one * one * shares).sum(axis=1) * (other * other * shares).sum(axis=1)
    return np.maximum(np.minimum(ratio(both, np.sqrt(sizes)), 1.0), -1.0)
