"""Rows in and out of scope: those that have another label than the one that rejects, or it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, UsageError
from kd2edge.metrics.items import items_of
from kd2edge.metrics.metric import Floats
from kd2edge.tasks.reject import reject_label
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

Flags = npt.NDArray[np.bool_]


def rejecting(spec: TaskSpec, metric: str) -> int:
    """Index of a task's reject label.

    Raises:
        UsageError: it has none.
    """
    label = reject_label(spec)
    if label is None:
        raise UsageError(f"task {spec.name!r}: {needs_reject(metric)}")
    return label


def needs_reject(metric: str) -> str:
    """What a metric of rejections says of a task that rejects nothing."""
    return (
        f"metric {metric} needs a task that rejects; state `reject: {{label: ...}}`, or use"
        " accuracy or macro_f1"
    )


def shares(truth: Truth, own: Flags, right: Flags, decoded: Decoded) -> Floats:
    """``[row, 2]``: rows of a side that are decided for it, rows of that side.

    Args:
        truth: labels ``[row]``.
        own: ``[row]`` those of the side.
        right: ``[row]`` those that were decided for it.
        decoded: decisions, of as many rows.
    """
    items_of(truth, decoded)  # of as many rows
    return np.stack([own & right, own], axis=1).astype(np.float64)


def span_of(truth: Truth, own: Flags) -> float:
    """By how much one more row of a side may move its share, times the row's share of all rows."""
    return float((np.asarray(truth.labels) >= 0).sum() / own.sum())


def require_some(spec: TaskSpec, own: Flags, metric: str, which: str) -> None:
    """Refuse rows of which none is on a side.

    Args:
        spec: the task.
        own: ``[row]`` those of the side.
        metric: its name.
        which: the side, ``in`` or ``out of``.

    Raises:
        DataError: none is.
    """
    if not own.any():
        raise DataError(f"task {spec.name!r}: {metric} needs a row {which} scope, found none")
