"""The hard loss of classes that exclude each other."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill import losses
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.tasks.spec import TaskSpec


@final
class CrossEntropy(Loss):
    """Cross entropy with the labels, a row or a word."""

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del task
        self._smoothing = smoothing

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")
        values = losses.cross_entropy(student, labels, self._smoothing)
        return losses.weighted_mean(values, given.weights)
