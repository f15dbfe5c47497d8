"""How far the values of a model are off, and to which side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kd2edge.errors import DataError
from kd2edge.metrics.values import value_columns
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

#: Shares of the rows whose errors are below.
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors (said less true) in the unit of the values.

    Args:
        bias: their mean: above 0, a model says too much.
        quantiles: what the shares :data:`SHARES` of the rows are below.
        largest: the largest, whichever its sign.
    """

    bias: float
    quantiles: tuple[float, ...]
    largest: float


def errors(spec: TaskSpec, truth: Truth, decoded: Decoded) -> Errors:
    """The errors of labelled rows.

    Raises:
        DataError: no row has a label.
    """
    has, _, found = value_columns(spec, truth, decoded)
    own = found[has > 0]
    if not len(own):
        raise DataError(f"task {spec.name!r}: no row has a label, so there is nothing to measure")
    quantiles = tuple(float(one) for one in np.quantile(own, SHARES))
    return Errors(float(own.mean()), quantiles, float(np.abs(own).max()))
