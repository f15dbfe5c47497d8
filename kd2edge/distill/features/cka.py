"""How alike two representations are, whatever rotates or scales them."""

from __future__ import annotations

from typing import Literal, final

import torch
from torch import Tensor

from kd2edge.distill.features.scaled import scaled
from kd2edge.distill.loss import Given, Loss, Need


@final
class CKA(Loss):
    """One minus the linear centred kernel alignment of a batch (Kornblith et al. 2019, 1905.00414).

    In few items of much width everything looks alike: a batch should have more items than either
    feature has directions that matter.

    Args:
        per: ``row`` compares rows, of a map all places, of words their mean; ``item`` takes every
            word or place for an example.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})
    projects = False

    def __init__(self, *, per: Literal["row", "item"]) -> None:
        super().__init__()
        self.per = "whole" if per == "row" else "item"

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        several = (given.weights.sum() > 1).to(student.dtype)  # one item says nothing
        return (1 - cka(student, teacher, given.weights)) * several


def cka(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """Linear CKA, from 0 to 1: ``|Y'X|² / (|X'X| |Y'Y|)`` of centred X and Y, Frobenius norms.

    Args:
        student: ``[item, width]``.
        teacher: ``[item, any width]``.
        weights: ``[item]``, 1 or 0.
    """
    one, two = _centred(student, weights), _centred(teacher, weights)
    if len(one) <= max(one.shape[1], two.shape[1]):  # the same by dot products of items, cheaper
        first, second = one @ one.T, two @ two.T
        return (first * second).sum() / (_size(first) * _size(second))
    return (two.T @ one).square().sum() / (_size(one.T @ one) * _size(two.T @ two))


def _centred(vectors: Tensor, weights: Tensor) -> Tensor:
    counted = scaled(vectors * weights[:, None], [0, 1])
    mean = counted.sum(0) / weights.sum().clamp(min=1)
    return scaled((counted - mean) * weights[:, None], [0, 1])


def _size(matrix: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(matrix).clamp(min=1e-12)
