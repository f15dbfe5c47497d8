"""Which rows are alike: the student is to find the same ones as the teacher."""

from __future__ import annotations

from typing import Literal, final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.features.scaled import scaled
from kd2edge.distill.loss import Given, Loss, Need


@final
class Similarity(Loss):
    """Similarity-preserving distillation (Tung and Mori 2019, 1907.09682).

    Args:
        per: ``row`` compares rows, of a map all places, of words their mean; ``item`` compares the
            words or places of a batch with one another, with memory for the square of their number.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})
    projects = False

    def __init__(self, *, per: Literal["row", "item"]) -> None:
        super().__init__()
        self.per = "whole" if per == "row" else "item"

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        return similarity(student, teacher, given.weights)


def similarity(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """Mean squared difference of two matrices of dot products, their rows of length 1.

    Args:
        student: ``[item, width]``.
        teacher: ``[item, any width]``.
        weights: ``[item]``, 1 or 0; items of 0 have neither row nor column.
    """
    difference = _similarities(student, weights) - _similarities(teacher, weights)
    return difference.square().sum() / weights.sum().clamp(min=1).square()


def _similarities(vectors: Tensor, weights: Tensor) -> Tensor:
    """Dot products of items ``[item, item]``, each row divided by its length."""
    counted = scaled(vectors * weights[:, None], [0, 1])
    return F.normalize(counted @ counted.T, dim=1)
