"""Decoupled knowledge distillation (Zhao et al. 2022, 2203.08679).

The divergence of ``kl`` is that of the right class against all others, plus that among the others
times what the teacher leaves to them: TCKD + (1 - p) NCKD.  Here it is alpha TCKD + beta NCKD, so
that a teacher who is sure still teaches how the others relate.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.logits.kl import binary_kl, kl
from kd2edge.distill.logits.logit_loss import LogitLoss, Temperature, squared
from kd2edge.distill.loss import Given, Need, weighted_mean
from kd2edge.tasks.spec import MISSING, TaskSpec


@final
class DKD(LogitLoss):
    """``alpha`` times the right class's divergence and ``beta`` times that among the others.

    An item without a label has the teacher's first choice in its place: one formula of one size for
    all rows, and the same wherever the teacher is right.  ``kl`` there would weigh an unlabelled
    row many times less, for ``beta`` stands where ``kl`` has what the teacher leaves to the others.

    Args:
        task: whose logits they are.
        alpha: weight of the right class.
        beta: weight of the others.
        standardise: z-score the logits of both first.
    """

    activations = frozenset({"softmax"})
    # Of two classes there is one other, which tells nothing: what is left is kl.
    fewest_channels = 3
    needs = LogitLoss.needs | {Need.TARGETS}

    def __init__(self, task: TaskSpec, *, alpha: float, beta: float, standardise: bool) -> None:
        super().__init__(task, standardise=standardise)
        self._alpha, self._beta = alpha, beta

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        labels = given.target("labels")
        first = teacher[:, : -1 if given.cut else None].argmax(-1)
        chosen = torch.where(labels == MISSING, first, labels)
        right, others = decoupled(student, teacher, chosen, given.temperature)
        return weighted_mean(self._alpha * right + self._beta * others, given.weights)


def decoupled(
    student: Tensor, teacher: Tensor, labels: Tensor, temperature: Temperature
) -> tuple[Tensor, Tensor]:
    """T^2 times the two divergences, ``[item]`` each: the paper's TCKD and NCKD.

    Args:
        student: ``[item, class]``.
        teacher: ``[item, class]``.
        labels: index of the right class ``[item]``.
        temperature: what logits are divided by.
    """
    (own, our_others), (theirs, their_others) = (
        _split(one / temperature, labels) for one in (student, teacher)
    )
    # Right against all others is yes or no: its logit is ahead of the others' log-sum-exp.
    ahead = own - our_others.logsumexp(-1, keepdim=True)
    taught = theirs - their_others.logsumexp(-1, keepdim=True)
    factor = squared(temperature)
    return binary_kl(ahead, taught, 1.0) * factor, kl(our_others, their_others, 1.0) * factor


def _split(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The right class's logits ``[item, 1]`` and the others' ``[item, class - 1]``, in order."""
    label = labels.unsqueeze(-1)
    others = torch.arange(logits.shape[-1] - 1, device=logits.device)  # [class - 1]
    return logits.gather(-1, label), logits.gather(-1, others + (others >= label))
