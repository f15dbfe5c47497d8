"""What logit losses share: both sides' logits, z-scored where asked, and the temperature's square.

Forms whose gradient shrinks like 1 / T^2 carry the factor T^2, so that their size beside the hard
loss stays what it is at T = 1; a form that does not shrink has none.
"""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from kd2edge.distill.logits.standardise import FEWEST_CHANNELS, standardised
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.tasks.spec import TaskSpec

#: One for all items, or ``[item, 1]``.
Temperature = float | Tensor


class LogitLoss(Loss):
    """A loss of the student's logits and the teachers'.  Implementations are final.

    Args:
        task: whose logits they are.
        standardise: z-score the logits of both first, an item each.
    """

    needs = frozenset({Need.STUDENT_LOGITS, Need.TEACHER_LOGITS})

    def __init__(self, task: TaskSpec, *, standardise: bool) -> None:
        super().__init__()
        del task
        self._standardise = standardise
        if standardise:
            # A sigmoid's logits have a zero of their own, which a z-score would move.
            self.activations = self.activations & {"softmax"}
            self.fewest_channels = max(self.fewest_channels, FEWEST_CHANNELS)
            self.whole = True  # mean and deviation are those of all classes

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_LOGITS), given.need(Need.TEACHER_LOGITS)
        if self._standardise:
            student, teacher = standardised(student), standardised(teacher)
        return self.compared(student, teacher, given)

    @abstractmethod
    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        """The loss, one number: the mean over the items that count.

        Args:
            student: ``[item, channel]``.
            teacher: ``[item, channel]``.
            given: weights, temperature, and what else the loss stated.
        """


def squared(temperature: Temperature) -> float | Tensor:
    """T^2: a number, or ``[item]``."""
    found = temperature**2
    return found.squeeze(-1) if isinstance(found, Tensor) else found
