"""The hard loss of classes that exclude each other."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.tasks.label_loss import LabelLoss
from kd2edge.tasks.spec import MISSING


@final
class CrossEntropy(LabelLoss):
    """Cross entropy with the labels, a row or a word."""

    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(student, labels, self.smoothing)


def cross_entropy(student: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of ``[item, class]`` with class indices ``[item]``; 0 where ``MISSING``."""
    return F.cross_entropy(
        student, labels, ignore_index=MISSING, reduction="none", label_smoothing=smoothing
    )
