"""Relations instead of values: DIST (Huang et al. 2022, 2205.10536).

What counts is the order and the proportions of the softened outputs, so a student need not become
as sure as a strong teacher is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor

from kd2edge.distill.logits.logit_loss import LogitLoss
from kd2edge.distill.loss import Given, weighted_mean
from kd2edge.tasks.spec import TaskSpec

#: Square of a spread of chances that says nothing: one in ten thousand.
_EPSILON = 1e-8


@final
class DIST(LogitLoss):
    """One minus Pearson's correlation, within each item and within each class over the batch.

    The paper's inter-class relations times ``beta``, and its intra-class ones times ``gamma``.  The
    factor T^2 of its code is left out: the gradient of a correlation does not shrink as T grows.
    With fewer than three channels a correlation within an item is 1 or -1 whatever the outputs are,
    and has no gradient: those over the batch are left.

    Args:
        task: whose logits they are.
        beta: weight of the relations within an item.
        gamma: weight of the relations within a class.
    """

    activations = frozenset({"softmax", "sigmoid"})
    whole = True  # a correlation is over what there is, and the many small ones are most of it

    def __init__(self, task: TaskSpec, *, beta: float, gamma: float) -> None:
        super().__init__(task, standardise=False)
        self._beta, self._gamma = beta, gamma

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        ours, theirs = (
            one.sigmoid() if given.activation == "sigmoid" else one.softmax(-1)
            for one in (student / given.temperature, teacher / given.temperature)
        )
        loss = self._gamma * within_classes(ours, theirs, given.weights)
        if ours.shape[-1] > 2:
            loss = loss + self._beta * weighted_mean(within_items(ours, theirs), given.weights)
        return loss


def within_items(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the correlation of each item's outputs ``[item, channel]`` -> ``[item]``."""
    return _unlike(student, teacher, lambda one: one.mean(-1, keepdim=True)).squeeze(-1)


def within_classes(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """One minus that of each channel over the items that count, a mean over channels: one number.

    Args:
        student: outputs ``[item, channel]``.
        teacher: outputs ``[item, channel]``.
        weights: ``[item]``; 0 for those that do not count.
    """
    share = weights / weights.sum().clamp(min=1e-12)  # [item]
    return _unlike(student, teacher, lambda one: share @ one).mean()


def _unlike(student: Tensor, teacher: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """One minus Pearson's correlation over what ``mean`` is taken of.

    As if one more value, the same small one, stood in both: so it is 0 where neither varies, a
    single item say, stays 0 where both are the same, and its gradient has a bound.
    """
    ours, theirs = student - mean(student), teacher - mean(teacher)
    both, own, other = (
        mean(one) + _EPSILON for one in (ours * theirs, ours.square(), theirs.square())
    )
    return 1 - both / (own * other).sqrt()
