"""What values that differ from item to item share: which tasks they say something of."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from kd2edge.distill.schedule import Schedule
from kd2edge.errors import UsageError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import Activation, TaskSpec


class AnItem(Schedule):
    """An alpha or sample weight an item, ``[item]`` on the device.  Implementations are final.

    Attributes:
        activations: of the outputs that it is defined for.
    """

    activations: ClassVar[frozenset[Activation]] = frozenset({"softmax", "sigmoid"})

    def require_fits(self, task: TaskSpec) -> None:
        outputs = list(outputs_of(task).values())
        wrong = [one.activation for one in outputs if one.activation not in self.activations]
        if wrong:
            raise UsageError(
                f"{task.name}: {self.kind} is defined for tasks that choose labels, this"
                f" one is {task.kind}: state a number, or another schedule"
            )
        per = task_kind(task.kind).per
        if len(outputs) > 1 or outputs[0].per != per:
            raise UsageError(
                f"{task.name}: {self.kind} needs one array of outputs with an item for"
                f" each {per} that has a label: state a number, or a schedule over time"
            )


def between(low: float, high: float, share: Tensor) -> Tensor:
    """From ``low`` at a share of 0 to ``high`` at 1, exactly at both ends: ``[item]``."""
    return (1 - share) * low + share * high
