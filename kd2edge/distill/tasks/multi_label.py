"""The hard loss of labels that stand one by one."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.tasks.label_loss import LabelLoss
from kd2edge.tasks.spec import MISSING


@final
class LabelCrossEntropy(LabelLoss):
    """Cross entropy of each label's sigmoid, summed over the labels of a row.

    Summed, as the divergence from a teacher is: every label counts as a task of yes or no would.
    A label that nobody stated adds nothing.
    """

    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        target = (labels == 1).to(student.dtype) * (1 - self.smoothing) + self.smoothing / 2
        each = F.binary_cross_entropy_with_logits(student, target, reduction="none")
        return each.masked_fill(labels == MISSING, 0.0)  # [row, label]
