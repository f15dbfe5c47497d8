"""Regression with the teacher as an upper bound (Chen et al. 2017).

The loss L_b of "Learning Efficient Object Detection Models with Knowledge Distillation": a
teacher's value may point away from the true one; as a bound on the error it cannot mislead.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.logits.kl import value_kl
from kd2edge.distill.logits.logit_loss import LogitLoss
from kd2edge.distill.loss import Given, Need, weighted_mean
from kd2edge.tasks.settings import centre, spread
from kd2edge.tasks.spec import TaskSpec


@final
class Bounded(LogitLoss):
    """Half the squared error, of items where it is not below the teacher's by ``margin``; else 0.

    An item without a label has no error: it follows the teacher's value, as by ``kl``.

    Args:
        task: whose values they are; its spread of training labels is the unit.
        margin: by how much the squared error must be smaller, in squares of that unit.
    """

    activations = frozenset({"none"})
    kinds = frozenset({"regression"})
    tempered = False
    needs = LogitLoss.needs | {Need.TARGETS}

    def __init__(self, task: TaskSpec, *, margin: float) -> None:
        super().__init__(task, standardise=False)
        self._centre, self._spread = centre(task), spread(task)
        self._margin = margin

    def compared(self, student: Tensor, teacher: Tensor, given: Given) -> Tensor:
        values = (given.target("values").unsqueeze(-1) - self._centre) / self._spread  # [item, 1]
        # NaN, where nobody stated a value, would make its gradient NaN even where it is not taken.
        stated, wanted = ~values.isnan().squeeze(-1), values.nan_to_num()
        each = torch.where(
            stated,
            bounded(student, teacher, wanted, self._margin),
            value_kl(student, teacher, given.temperature),
        )
        return weighted_mean(each, given.weights)


def bounded(student: Tensor, teacher: Tensor, wanted: Tensor, margin: float) -> Tensor:
    """Half the squared error where, with the margin, it is above the teacher's; else 0.

    Args:
        student: ``[item, 1]``.
        teacher: ``[item, 1]``.
        wanted: the true values ``[item, 1]``.
        margin: of squared errors.

    Returns:
        ``[item]``
    """
    error = (student - wanted).square()
    beyond = error + margin > (teacher - wanted).square()
    return (error * beyond).sum(-1) / 2
