"""How far apart rows are, and at which angles they see one another."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.features.scaled import directions, scaled
from kd2edge.distill.loss import Given, Loss, Need, Sizes


@final
class Relational(Loss):
    """Relational distillation (Park et al. 2019, 1904.05068).

    Rows are compared: the mean of a row's words or places.  Memory grows with the square of the
    batch times the width, and with its cube for angles: 64 MiB a side for 256 rows.

    Args:
        distance: weight of the distances of pairs.
        angle: weight of the angles of triples.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})
    per = "row"
    projects = False

    def __init__(self, *, distance: float, angle: float) -> None:
        super().__init__()
        self._distance = distance
        self._angle = angle

    def prepare(self, sizes: Sizes) -> None:
        if not (self._distance or self._angle):
            raise ValueError("relational: distance and angle both weigh 0, which teaches nothing")

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        total = student.new_zeros(())
        if self._distance > 0:
            total = total + self._distance * distance(student, teacher, given.weights)
        if self._angle > 0:
            total = total + self._angle * angle(student, teacher, given.weights)
        return total


def distance(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """Huber's loss of the distances of all pairs, each divided by their mean.

    Args:
        student: ``[item, width]``.
        teacher: ``[item, any width]``.
        weights: ``[item]``, 1 or 0.
    """
    pairs = _pairs(weights)
    one, other = (_distances(side, weights, pairs) for side in (student, teacher))
    return _mean_huber(one, other, pairs)


def angle(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """Huber's loss of the cosines at the middle one of all triples.

    Args:
        student: ``[item, width]``.
        teacher: ``[item, any width]``.
        weights: ``[item]``, 1 or 0.
    """
    pairs = _pairs(weights)
    triples = pairs[:, :, None] * pairs[:, None, :] * pairs[None]  # [middle, one, other]
    return _mean_huber(_cosines(student, weights), _cosines(teacher, weights), triples)


def _pairs(weights: Tensor) -> Tensor:
    """``[item, item]``, 1 for two different items that count."""
    return (weights[:, None] * weights).fill_diagonal_(0)


def _differences(vectors: Tensor, weights: Tensor) -> Tensor:
    """``[item, item, width]``, of items that count, at a size whose squares can be held."""
    counted = scaled(vectors * weights[:, None], [0, 1])
    return counted - counted[:, None]


def _distances(vectors: Tensor, weights: Tensor, pairs: Tensor) -> Tensor:
    found = torch.linalg.vector_norm(_differences(vectors, weights), dim=2)  # equal: slope 0
    mean = (found * pairs).sum() / pairs.sum().clamp(min=1)
    return found / mean.clamp(min=1e-6)


def _cosines(vectors: Tensor, weights: Tensor) -> Tensor:
    rays = directions(_differences(vectors, weights))  # [middle, one, width]
    return rays @ rays.transpose(1, 2)


def _mean_huber(student: Tensor, teacher: Tensor, counted: Tensor) -> Tensor:
    each = F.smooth_l1_loss(student, teacher, reduction="none")
    return (each * counted).sum() / counted.sum().clamp(min=1)
