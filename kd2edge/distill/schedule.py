"""Values that are asked for at every step, a task each: alpha, temperature, weight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class Moment:
    """When a value is asked for.

    Args:
        task: for which task.
        step: steps taken so far.
        steps: steps of the whole training.
        epoch: epochs finished so far.
    """

    task: TaskName
    step: int
    steps: int
    epoch: int


class Schedule(ABC):
    """A value over time.  Implementations are final, and functions of the moment alone.

    They are frozen dataclasses with a ``kind`` of their own: settings are part of the fingerprint
    that a checkpoint is known by.
    """

    kind: str

    @abstractmethod
    def at(self, moment: Moment) -> float:
        """The value at a moment."""


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


def schedules(
    value: Value, tasks: tuple[TaskName, ...], default: float
) -> dict[TaskName, Schedule]:
    """One schedule a task; ``default`` for tasks that a map leaves out."""
    by_task = value if isinstance(value, Mapping) else dict.fromkeys(tasks, value)
    chosen = {task: by_task.get(task, default) for task in tasks}
    return {
        task: one if isinstance(one, Schedule) else Constant(float(one))
        for task, one in chosen.items()
    }
