"""The hard loss of labels that stand one by one."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.spec import MISSING, TaskSpec


@final
class LabelCrossEntropy(Loss):
    """Cross entropy of each label's sigmoid, summed over the labels of a row.

    Summed, as the divergence from a teacher is: every label counts as a task of yes or no would.
    A label that nobody stated adds nothing.
    """

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del task
        self._smoothing = smoothing

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")  # [row, label]
        target = (labels == 1).to(student.dtype) * (1 - self._smoothing) + self._smoothing / 2
        each = F.binary_cross_entropy_with_logits(student, target, reduction="none")
        values = each.masked_fill(labels == MISSING, 0.0).sum(-1)
        return weighted_mean(values, given.weights)
