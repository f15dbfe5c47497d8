"""What hard losses of labels share: a value an item, and the mean over those that count."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.spec import TaskSpec


class LabelLoss(Loss):
    """A hard loss of ``labels``, with label smoothing.  Implementations are final."""

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del task
        self.smoothing = smoothing

    @abstractmethod
    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        """The loss of every item ``[item]``, finite where ``labels`` are ``MISSING``."""

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")
        return weighted_mean(self.values(student, labels), given.weights)
