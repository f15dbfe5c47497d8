"""Features that are equal once each vector's own mean and spread are taken off."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.features.mse import mse
from kd2edge.distill.features.scaled import scaled
from kd2edge.distill.loss import Given, Loss, Need, weighted_mean


@final
class Normalised(Loss):
    """Mean squared difference of student and teacher, each vector standardised over its width."""

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_FEATURES), given.need(Need.TEACHER_FEATURES)
        return weighted_mean(normalised(student, teacher), given.weights)


def normalised(student: Tensor, teacher: Tensor) -> Tensor:
    """Two vectors ``[item, width]`` -> ``[item]``, from 0 to 4.

    Targets without their own mean and spread, a layer norm without weights, are those of Wei et al.
    (2022, 2205.14141); here the student's vector is standardised alike, so that the loss is twice
    one minus the correlation of the two over their width.
    """
    return mse(_standardised(student), _standardised(teacher))


def _standardised(vectors: Tensor) -> Tensor:
    return F.layer_norm(scaled(vectors, [-1]), vectors.shape[-1:])
