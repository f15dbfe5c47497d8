"""The fixed table of methods for long tails, and what is refused."""

from __future__ import annotations

from kd2edge.distill.long_tail.class_balanced import ClassBalanced
from kd2edge.distill.long_tail.logit_adjustment import LogitAdjustment
from kd2edge.distill.long_tail.long_tail import LongTail, Support
from kd2edge.distill.long_tail.none import Plain
from kd2edge.distill.method import Method, made
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import TaskSpec

#: Name in recipes -> method, called with the task, its support and the recipe's options.
LONG_TAILS: dict[str, type[LongTail]] = {
    "none": Plain,
    "class_balanced": ClassBalanced,
    "logit_adjustment": LogitAdjustment,
}


def require_fits(task: TaskSpec, method: Method) -> None:
    """Refuse a method that says nothing of a task.

    Raises:
        UsageError: it is not defined for the task's kind; the message names those that are.
    """
    known = LONG_TAILS.get(method.kind)
    if known is None or task.kind in known.kinds:
        return
    fitting = [name for name, other in LONG_TAILS.items() if task.kind in other.kinds]
    kinds = " and ".join(sorted(known.kinds))
    raise UsageError(
        f"long tail of {task.name}: {method.kind} is defined for tasks of kind {kinds}, this one is"
        f" {task.kind}; choose one of {', '.join(fitting)}"
    )


def long_tail(task: TaskSpec, method: Method, support: Support) -> LongTail:
    """The method of a task.

    Args:
        task: its labels known.
        method: a name in ``LONG_TAILS``, with options.
        support: of the training rows.

    Raises:
        UsageError: it is unknown, or not defined for the task's kind.
    """
    require_fits(task, method)
    return made(f"long tail of {task.name}", LONG_TAILS, method, task, support)
