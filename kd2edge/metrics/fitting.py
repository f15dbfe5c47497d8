"""What of a decision is fitted to labelled rows, so that the leading metric of its task is best."""

from __future__ import annotations

import numpy as np

from kd2edge.metrics.kinds import goodness, metric
from kd2edge.metrics.metric import Metric
from kd2edge.ragged import Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, Logits, TaskSpec, Truth

__all__ = ["fitted_task", "is_fitted", "leading_value"]


def is_fitted(task: TaskSpec) -> bool:
    """Whether anything of a task's decision is fitted to rows that were not learned from."""
    return task_kind(task.kind).is_fitted(task)


def fitted_task(task: TaskSpec, truth: Truth, logits: Logits) -> TaskSpec:
    """The task as one model decides it, see ``TaskKind.fitted``.

    Args:
        task: any task; most have nothing to fit and come back as they are.
        truth: labels of rows that the model did not learn from.
        logits: what it says of the same rows.
    """

    def of(decoded: Decoded) -> float:
        return goodness(task, task.metric, leading_value(task, truth, decoded))

    return task_kind(task.kind).fitted(task, truth, logits, of) if is_fitted(task) else task


def leading_value(task: TaskSpec, truth: Truth, decoded: Decoded) -> float:
    """The leading metric of some rows, without bounds and as they are: equal inputs count each.

    It is what is asked of every epoch and every cut: no resampling stands behind it.

    Args:
        task: the task.
        truth: labels, of which some row has one.
        decoded: decisions of the same rows.
    """
    leading = metric(task.metric)
    if isinstance(leading, Metric):
        return float(leading.value(leading.rows(task, truth, decoded).sum(axis=0)))
    first = truth[task_kind(task.kind).fields(task)[0].name]
    rows = len(first.offsets) - 1 if isinstance(first, Ragged) else len(first)
    ones = np.ones((1, rows))
    return float(leading.value_weighted(task, truth, decoded, ones)[0])
