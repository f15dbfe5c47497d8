"""The logit loss of a task: made by name, and refused where it says nothing of such outputs."""

from __future__ import annotations

from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.loss import Loss, Need
from kd2edge.distill.method import Method, made
from kd2edge.distill.schedule import Schedule
from kd2edge.errors import UsageError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import Output, TaskSpec


def logit_loss(task: TaskSpec, method: Method | None, *, cut: bool) -> Loss:
    """What compares a task's outputs with its teachers'.

    Args:
        task: its labels known.
        method: a name in ``LOGIT_LOSSES``, with options; None: nobody stated one.
        cut: whether the teacher's cache keeps only its likeliest classes of an item.

    Raises:
        UsageError: none is stated, it is unknown, or it is not defined for the task; the message
            names those that are.
    """
    place = f"logits of {task.name}"
    if method is None:
        raise UsageError(f"{place}: expected a loss, found none; state one")
    loss = made(place, LOGIT_LOSSES, method, task)
    foreign = loss.needs & {Need.STUDENT_FEATURES, Need.TEACHER_FEATURES}
    if foreign:
        names = ", ".join(need.words for need in foreign)
        raise UsageError(f"{place}: the loss needs {names}; such a loss stands under features")
    on = [name for name, value in method.options.items() if value is True]
    stated = " with ".join([method.kind, *on])
    if cut and loss.whole:
        known = (name for name, one in LOGIT_LOSSES.items() if not one.whole)
        few = ", ".join(name for name in known if not _misfit(LOGIT_LOSSES[name], task))
        raise UsageError(
            f"{place}: the loss {stated} needs every class by itself, and the teacher's cache keeps"
            " only the likeliest of an item, and all others together: set its top_k to null, or"
            f" choose one of {few}, without standardise"
        )
    wrong = _misfit(loss, task)
    if wrong:
        fitting = [name for name, other in LOGIT_LOSSES.items() if not _misfit(other, task)]
        raise UsageError(f"{place}: the loss {stated} {wrong}; choose one of {', '.join(fitting)}")
    return loss


def require_learnable(task: TaskSpec, loss: Loss | type[Loss], temperature: Schedule) -> None:
    """Refuse a temperature that learns, where nothing depends on it.

    Args:
        task: its labels known.
        loss: of its logits, or its class.
        temperature: the schedule that gives it.

    Raises:
        UsageError: values, or a loss that does not look at the temperature.
    """
    if temperature.begin() is None:
        return
    temperature.require_fits(task)
    if not loss.tempered:
        fitting = [name for name, other in LOGIT_LOSSES.items() if _looks(other, task)]
        raise UsageError(
            f"temperature of {task.name}: {temperature.kind} learns from a loss that looks at the"
            f" temperature: write another loss on logits ({', '.join(fitting)}), or state a number"
        )


def require_stated(task: TaskSpec, temperature: Schedule) -> None:
    """Refuse a temperature that learns from what teachers say, where a task has none but peers.

    Args:
        task: whose temperature it is.
        temperature: the schedule that gives it.

    Raises:
        UsageError: of such a temperature.
    """
    if temperature.begin() is not None:
        raise UsageError(
            f"temperature of {task.name}: {temperature.kind} learns from what teachers say, and the"
            " task has peers alone: state a number"
        )


def _looks(loss: type[Loss], task: TaskSpec) -> bool:
    return loss.tempered and not _misfit(loss, task)


def _misfit(loss: Loss | type[Loss], task: TaskSpec) -> str:
    """Why a loss, or its whole class, is not defined for a task; "" where it is."""
    if loss.kinds and task.kind not in loss.kinds:
        known = " and ".join(sorted(loss.kinds))
        return f"is defined for tasks of kind {known}, this one is {task.kind}"
    found = (_unlike(loss, task, output) for output in outputs_of(task).values())
    return next(filter(None, found), "")


def _unlike(loss: Loss | type[Loss], task: TaskSpec, output: Output) -> str:
    """The same for one of the task's arrays."""
    if output.activation not in loss.activations:
        known = " and ".join(sorted(loss.activations))
        return f"is defined for outputs under {known}, the task's have {output.activation}"
    if output.channels < loss.fewest_channels:
        return f"needs at least {loss.fewest_channels} labels, the task has {output.channels}"
    per = task_kind(task.kind).per
    if loss.needs & {Need.TARGETS, Need.LABELLED} and per != output.per:
        return (
            f"needs the label of every item of the outputs; here an item is a {output.per}, and"
            f" labels are of each {per}"
        )
    return ""
