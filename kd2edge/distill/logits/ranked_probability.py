"""Distance of levels that stand in an order: the soft half of the hard loss of ordinal tasks.

Squared earth mover's distance of two distributions over an order (Hou, Yu and Samaras 2016,
1611.05916); with a sure teacher it is the ranked probability score (Epstein 1969).
"""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.logits.kl import kl
from kd2edge.distill.logits.logit_loss import LogitLoss, Temperature, squared
from kd2edge.distill.loss import Given, weighted_mean
from kd2edge.tasks.spec import TaskSpec


@final
class RankedProbability(LogitLoss):
    """``kl``, plus the squared distance of the softened cumulative distributions.

    The divergence alone takes a 4 for a 5 as badly as a 1; the distance alone learns slowly where
    the student is sure of a far level.
    """

    activations = frozenset({"softmax"})
    kinds = frozenset({"ordinal"})
    whole = True  # levels stand in an order

    def __init__(self, task: TaskSpec) -> None:
        super().__init__(task, standardise=False)

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        both = (student, teacher, given.temperature)
        return weighted_mean(kl(*both) + squared_distance(*both), given.weights)


def squared_distance(student: Tensor, teacher: Tensor, temperature: Temperature) -> Tensor:
    """T^2 times the sum over levels of the squared difference: ``[item, level]`` -> ``[item]``.

    Of what is compared, the softened chance of a level or a lower one, the last is 1 on both sides.
    """
    ours, theirs = ((one / temperature).softmax(-1) for one in (student, teacher))
    below = (ours - theirs).cumsum(-1)[..., :-1]  # [item, level - 1]
    return below.square().sum(-1) * squared(temperature)
