"""Values of regression tasks and how far models are off."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kd2edge.metrics.items import has_label
from kd2edge.metrics.metric import Floats
from kd2edge.tasks.settings import reach, spread
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


class ValueColumns(NamedTuple):
    """``[row]`` each; unlabelled rows are 0 in all."""

    has: Floats  # 1 or 0
    true: Floats
    error: Floats  # said less true


def error_limits(spec: TaskSpec) -> tuple[float, float]:
    """Of errors: up to the stated bounds' distance, else to that of the training rows' labels."""
    low, high = reach(spec)
    return 0.0, high - low


def large_error(spec: TaskSpec) -> float:
    """Two standard deviations of the training rows' labels: bounds may lie far beyond."""
    return 2 * spread(spec)


def value_columns(spec: TaskSpec, truth: Truth, decoded: Decoded) -> ValueColumns:
    """Values and errors; where nothing was said (NaN), the error is all that values reach."""
    true: Floats = np.asarray(truth["values"], np.float64)
    said: Floats = np.asarray(decoded["values"], np.float64)
    has = has_label(truth)
    low, high = reach(spec)
    error = np.where(np.isnan(said), high - low, said - true)
    return ValueColumns(has.astype(np.float64), np.where(has, true, 0), np.where(has, error, 0))
