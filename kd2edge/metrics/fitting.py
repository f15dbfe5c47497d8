"""What of a decision is fitted to labelled rows, so that the leading metric of its task is best."""

from __future__ import annotations

from kd2edge.metrics.estimate import measure
from kd2edge.metrics.kinds import goodness
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, Logits, TaskSpec, Truth

__all__ = ["fitted_task", "is_fitted"]


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
        return goodness(task, task.metric, measure(task, truth, decoded, task.metric))

    return task_kind(task.kind).fitted(task, truth, logits, of) if is_fitted(task) else task
