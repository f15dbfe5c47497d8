"""The hard loss of classes that exclude each other."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.spec import MISSING, TaskSpec


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
        values = cross_entropy(student, labels, self._smoothing)
        return weighted_mean(values, given.weights)


def cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of ``[item, class]`` with class indices ``[item]``; 0 where ``MISSING``."""
    return F.cross_entropy(
        student, labels, ignore_index=MISSING, reduction="none", label_smoothing=smoothing
    )
