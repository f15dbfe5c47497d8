"""Values that are asked for at every step, a task each: alpha, temperature, weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.tasks.items import Items, Said
from kd2edge.errors import UsageError
from kd2edge.events import Losses
from kd2edge.tasks.spec import TaskName, TaskSpec


@dataclass(frozen=True, slots=True)
class Time:
    """Where a training is.

    Args:
        step: steps taken so far.
        steps: steps of the whole training.
        epoch: epochs finished so far.
        losses: gives the means of the losses over the epoch in progress so far.
        metrics: gives each task's metric at the last validation; nothing before the first.
    """

    step: int
    steps: int
    epoch: int
    losses: Callable[[], Losses] = dict
    metrics: Callable[[], Mapping[TaskName, float]] = dict

    @property
    def gone(self) -> float:
        """How much of the training is over: 0 at the first step, 1 at the last."""
        return self.step / max(self.steps - 1, 1)


@final
@dataclass(frozen=True, slots=True)
class Moment:
    """When a value is asked for, and for which items of which task.

    What costs anything to know is a method: a schedule that does not ask pays nothing.

    Args:
        time: where the training is.
        items: the task's items in the batch, with the student's logits.
        learned: what the schedule of the task's temperature has learned, one number with its
            gradient; None where it learns nothing.
    """

    time: Time
    items: Items
    learned: Tensor | None = None

    @property
    def task(self) -> TaskName:
        """For which task."""
        return self.items.task

    def losses(self) -> Mapping[str, float]:
        """Kind of loss -> its mean over the epoch in progress so far; empty at its first step."""
        return self.time.losses().get(self.task, {})

    def metric(self) -> float | None:
        """The task's metric at the last validation; None before the first."""
        return self.time.metrics().get(self.task)

    def lack(self) -> float:
        """What the task's teachers lack of a perfect one on the validation rows, more than 0.

        Known where the schedule is one of ``by_skill``.
        """
        return self.items.lack()

    def student(self) -> Tensor:
        """What the student says of the items: ``[item, channel]``, without its gradient."""
        return self.items.logits.detach()

    def teacher(self) -> Said | None:
        """What the task's teachers say of the items, at temperature 1; None where it has none."""
        return self.items.said(1.0)


class Schedule(ABC):
    """A value over time.  Implementations are final, and functions of the moment alone.

    What one learns is part of the moment.

    They are frozen dataclasses with a ``kind`` of their own: settings are part of the fingerprint
    that a checkpoint is known by.

    Attributes:
        by_skill: whether it asks what a task's teachers lack, on the validation rows.
    """

    kind: str
    by_skill: ClassVar[bool] = False

    @abstractmethod
    def at(self, moment: Moment) -> float | Tensor:
        """The value at a moment.

        An alpha may be one an item, ``[item]`` on the device, and a temperature ``[item, 1]``.
        """

    def counted(self, support: Support) -> Schedule:
        """The same value, that knows how often the task's labels stand in the training rows.

        Args:
            support: of the task.
        """
        del support
        return self

    def begin(self) -> float | None:
        """The number that a temperature learns, as it begins; None: it learns nothing.

        It is a parameter of the training, saved and restored with the others: state is kept there,
        and nowhere else.
        """
        return None

    def pace(self, time: Time) -> float:
        """What the learning rate of what it learns is multiplied with.

        Args:
            time: where the training is.
        """
        del time
        return 1.0

    def require_fits(self, task: TaskSpec) -> None:
        """Refuse a task that the value says nothing of.

        Args:
            task: its labels known.

        Raises:
            UsageError: of such a task.
        """
        del task


@final
@dataclass(frozen=True, slots=True)
class Constant(Schedule):
    """The same value at every step."""

    value: float
    kind: str = "constant"

    def at(self, moment: Moment) -> float:
        del moment
        return self.value


#: A number for all tasks, or one (or a schedule) a task.
Value = float | Schedule | Mapping[TaskName, "float | Schedule"]


def schedules(value: Value, tasks: tuple[TaskName, ...]) -> dict[TaskName, Schedule]:
    """One schedule a task.

    Raises:
        UsageError: a map that leaves tasks out.
    """
    by_task = value if isinstance(value, Mapping) else dict.fromkeys(tasks, value)
    lacking = [task for task in tasks if task not in by_task]
    if lacking:
        raise UsageError(
            f"expected a value for each task, found none for {', '.join(lacking)}; state one"
        )
    return {
        task: one if isinstance(one := by_task[task], Schedule) else Constant(float(one))
        for task in tasks
    }
