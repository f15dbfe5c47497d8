"""What hard losses of labels share: a value a label, and the mean over items that count."""

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
        """The loss of every label, in their shape, finite where they are ``MISSING``."""

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")
        values = self.values(student, labels)  # [item], or [item, label]
        if given.label_weights is not None:
            values = values * given.label_weights
        values = values if values.dim() == 1 else values.sum(-1)
        return weighted_mean(values, given.weights)
