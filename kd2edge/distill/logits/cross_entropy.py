"""Cross entropy with the teacher's softened outputs (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.logits.logit_loss import LogitLoss, Temperature, squared
from kd2edge.distill.loss import Given, weighted_mean


@final
class CrossEntropy(LogitLoss):
    """Soft cross entropy; of a sigmoid's outputs that of each label, summed.

    It is ``kl`` plus the teacher's entropy, so its gradient is the same; its size is not, which
    balancers and whoever reads the log see: where the teacher is unsure it does not go to 0.
    """

    activations = frozenset({"softmax", "sigmoid"})

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        entropy = binary_cross_entropy if given.activation == "sigmoid" else cross_entropy
        return weighted_mean(entropy(student, teacher, given.temperature), given.weights)


def cross_entropy(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times the cross entropy of the softened softmax: ``[item, class]`` -> ``[item]``."""
    target = F.softmax(teacher / temperature, dim=-1)
    return F.cross_entropy(student / temperature, target, reduction="none") * squared(temperature)


def binary_cross_entropy(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times that of the softened yes and no: ``[item, label]`` -> ``[item]``."""
    target = (teacher / temperature).sigmoid()
    each = F.binary_cross_entropy_with_logits(student / temperature, target, reduction="none")
    return each.sum(-1) * squared(temperature)
