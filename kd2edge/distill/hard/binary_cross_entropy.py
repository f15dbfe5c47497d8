"""The hard loss of yes or no."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.spec import TaskSpec


@final
class BinaryCrossEntropy(Loss):
    """Cross entropy of the sigmoid with the labels."""

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del task
        self._smoothing = smoothing

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")
        values = binary_cross_entropy(student, labels, self._smoothing)
        return weighted_mean(values, given.weights)


def binary_cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of logits of yes ``[item, 1]`` with 0, 1 ``[item]``; finite if ``MISSING``."""
    target = (labels == 1).to(student.dtype) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(student.squeeze(-1), target, reduction="none")
