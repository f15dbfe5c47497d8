"""Plain knowledge distillation (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

from typing import final

from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.logits.logit_loss import LogitLoss, Temperature, squared
from kd2edge.distill.loss import Given, weighted_mean


@final
class KL(LogitLoss):
    """KL divergence of the softened outputs; of a sigmoid's, that of each label, summed.

    The latter is the one-versus-all form for several labels of Yang et al. (2023, 2308.06453).
    Of values it is half the squared difference, at every temperature.
    """

    activations = frozenset({"softmax", "sigmoid", "none"})

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        divergence = _DIVERGENCES[given.activation]
        return weighted_mean(divergence(student, teacher, given.temperature), given.weights)


def kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL(teacher || student) of the softened softmax: ``[item, class]`` -> ``[item]``."""
    target = F.log_softmax(teacher / temperature, dim=-1)
    output = F.log_softmax(student / temperature, dim=-1)
    divergence = F.kl_div(output, target, reduction="none", log_target=True)  # [item, class]
    return divergence.sum(-1) * squared(temperature)


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
    return (crossed - entropy).sum(-1) * squared(temperature)


def value_kl(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times KL of normal distributions of one spread about the softened values ``[item, 1]``.

    That is half the squared difference ``[item]``: T^2 takes out what T divided by.
    """
    del temperature
    return (student - teacher).square().sum(-1) / 2


#: By what outputs become.
_DIVERGENCES = {"softmax": kl, "sigmoid": binary_kl, "none": value_kl}
