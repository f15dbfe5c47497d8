"""Plain knowledge distillation (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill import losses
from kd2edge.distill.loss import Given, Loss, Need


@final
class KL(Loss):
    """KL divergence of the softened outputs; of a sigmoid's, that of each label, summed."""

    needs = frozenset({Need.STUDENT_LOGITS, Need.TEACHER_LOGITS})

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_LOGITS), given.need(Need.TEACHER_LOGITS)
        divergence = losses.kl if given.activation == "softmax" else losses.binary_kl
        return losses.weighted_mean(divergence(student, teacher, given.temperature), given.weights)
