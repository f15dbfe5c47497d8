"""Features that point the same way."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean


@final
class Cosine(Loss):
    """One minus the cosine of student and teacher, an item each."""

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        return weighted_mean(cosine(student, teacher), given.weights)


def cosine(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the cosine of two vectors ``[item, width]`` -> ``[item]``."""
    return 1 - F.cosine_similarity(student, teacher, dim=-1)
