"""A temperature that is learned against the student: CTKD (Li et al. 2023, 2211.16231).

The student makes the teacher's part of the loss smaller, and the temperature makes it larger: it
finds where the two still differ.  How strongly it may do so grows from nothing along half a cosine,
so that the student has easy lessons first.  This is the paper's global form, one number a task.

The paper multiplies the reversed gradient by the strength, for SGD.  AdamW divides every gradient
by its size, and would undo such a factor: here it is one of the learning rate.  With SGD the two
are the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from torch import Tensor

from kd2edge.distill.schedule import Moment, Schedule, Time
from kd2edge.errors import UsageError
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import TaskSpec


@final
@dataclass(frozen=True, slots=True)
class Curriculum(Schedule):
    """``low + (high - low) * sigmoid(t)``, with a learned ``t`` whose gradient is reversed.

    Args:
        first: at the first step, between the two.
        low: it stays above.
        high: it stays below.
        strength: of the reversal once it has risen (the paper's largest lambda): what the learning
            rate of ``t`` is multiplied with.
        rising: share of the training over which the strength rises; at 0 it is there at once.
    """

    first: float
    low: float
    high: float
    strength: float
    rising: float
    kind: str = "curriculum"

    def begin(self) -> float:
        return math.log((self.first - self.low) / (self.high - self.first))

    def pace(self, time: Time) -> float:
        if time.gone >= self.rising:
            return self.strength
        return self.strength * (1 - math.cos(math.pi * time.gone / self.rising)) / 2

    def at(self, moment: Moment) -> Tensor:
        assert moment.learned is not None
        return self.low + (self.high - self.low) * reversed_gradient(moment.learned).sigmoid()

    def require_fits(self, task: TaskSpec) -> None:
        if any(output.activation == "none" for output in outputs_of(task).values()):
            raise UsageError(
                f"temperature of {task.name}: values are not softened, so that {self.kind} would"
                " learn nothing: state a number"
            )


def reversed_gradient(values: Tensor) -> Tensor:
    """The same values to the bit, with minus their gradient (Ganin and Lempitsky 2015)."""
    held = values.detach()
    return held + (held - values)
