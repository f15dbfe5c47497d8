"""Squared difference of logits (Ba and Caruana 2014, 1312.6184): what ``kl`` tends to as T grows.

At high temperatures the gradient of T^2 times the divergence is the difference of logits that have
mean 0 (Hinton, Vinyals and Dean 2015, eq. 4; Kim et al. 2021, 2105.08919, on what is lost where
they have another mean).  The factors here are those of that limit: it weighs as ``kl`` does.
"""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.logits.kl import value_kl
from kd2edge.distill.logits.logit_loss import LogitLoss
from kd2edge.distill.loss import Given, weighted_mean
from kd2edge.tasks.spec import TaskSpec


@final
class MSE(LogitLoss):
    """Half the mean squared difference of an item's logits; no temperature is in it.

    Softmax leaves a constant in its logits open, and so do several teachers that are joined:
    only the difference's deviation from its own mean counts.  A sigmoid's logits are compared as
    they are, an eighth of each label's squared difference, summed.  Of values it is ``kl``.
    """

    activations = frozenset({"softmax", "sigmoid", "none"})
    tempered = False
    whole = True  # each class has its own difference

    def __init__(self, task: TaskSpec) -> None:
        super().__init__(task, standardise=False)

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        difference = _DIFFERENCES[given.activation]
        return weighted_mean(difference(student, teacher), given.weights)


def mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the variance of an item's differences ``[item, class]`` -> ``[item]``."""
    difference = student - teacher
    return (difference - difference.mean(-1, keepdim=True)).square().mean(-1) / 2


def binary_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """An eighth of the squared differences, summed: logits of yes ``[item, label]`` -> ``[item]``.

    The same as :func:`mse` of the two logits (0, yes), summed over labels.
    """
    return (student - teacher).square().sum(-1) / 8


def value_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Half the squared difference of values ``[item, 1]`` -> ``[item]``."""
    return value_kl(student, teacher, 1.0)


#: By what outputs become.
_DIFFERENCES = {"softmax": mse, "sigmoid": binary_mse, "none": value_mse}
