"""The hard loss of yes or no."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.tasks.label_loss import LabelLoss


@final
class BinaryCrossEntropy(LabelLoss):
    """Cross entropy of the sigmoid with the labels."""

    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        return binary_cross_entropy(student, labels, self.smoothing)


def binary_cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of logits of yes ``[item, 1]`` with 0, 1 ``[item]``; finite if ``MISSING``."""
    target = (labels == 1).to(student.dtype) * (1 - smoothing) + smoothing / 2
    return F.binary_cross_entropy_with_logits(student.squeeze(-1), target, reduction="none")
