"""Features of the same values (Romero et al. 2015, FitNets)."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean


@final
class MSE(Loss):
    """Mean squared difference of student and teacher, an item each."""

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        return weighted_mean(mse(student, teacher), given.weights)


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of two vectors ``[item, width]`` -> ``[item]``."""
    return (student - teacher).square().mean(-1)
