"""Plain knowledge distillation (Hinton, Vinyals and Dean 2015).

Soft losses carry the factor T^2: the gradient of softened logits shrinks like 1 / T^2, and the
factor keeps it comparable with that of the hard loss at every T.
"""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean

#: One for all items, or ``[item, 1]``.
Temperature = float | Tensor


@final
class KL(Loss):
    """KL divergence of the softened outputs; of a sigmoid's, that of each label, summed.

    Of values it is half the squared difference, at every temperature.
    """

    activations = frozenset({"softmax", "sigmoid", "none"})

    needs = frozenset({Need.STUDENT_LOGITS, Need.TEACHER_LOGITS})

    def forward(self, given: Given) -> Tensor:
        student, teacher = given.need(Need.STUDENT_LOGITS), given.need(Need.TEACHER_LOGITS)
        divergence = _DIVERGENCES[given.activation]
        return weighted_mean(divergence(student, teacher, given.temperature), given.weights)


def kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL(teacher || student) of the softened softmax: ``[item, class]`` -> ``[item]``."""
    target = F.log_softmax(teacher / temperature, dim=-1)
    output = F.log_softmax(student / temperature, dim=-1)
    divergence = F.kl_div(output, target, reduction="none", log_target=True)  # [item, class]
    return divergence.sum(-1) * _squared(temperature)


def binary_kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL of the softened yes and no: logits of yes ``[item, label]`` -> ``[item]``.

    The same as :func:`kl` of the two logits (0, yes), summed over labels.
    """
    target = teacher / temperature
    probability = target.sigmoid()
    # Cross entropy less entropy, both by the same fused call: exactly 0 where the two agree.
    crossed = F.binary_cross_entropy_with_logits(
        student / temperature, probability, reduction="none"
    )
    entropy = F.binary_cross_entropy_with_logits(target, probability, reduction="none")
    return (crossed - entropy).sum(-1) * _squared(temperature)


def value_kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL of normal distributions of one spread about the softened values ``[item, 1]``.

    That is half the squared difference ``[item]``: T^2 takes out what T divided by.
    """
    del temperature
    return (student - teacher).square().sum(-1) / 2


#: By what outputs become.
_DIVERGENCES = {"softmax": kl, "sigmoid": binary_kl, "none": value_kl}


def _squared(temperature: Temperature) -> float | Tensor:
    squared = temperature**2
    return squared.squeeze(-1) if isinstance(squared, Tensor) else squared
