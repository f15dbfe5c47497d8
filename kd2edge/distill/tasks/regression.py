"""The hard loss of values."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.settings import centre, spread
from kd2edge.tasks.spec import TaskSpec


@final
class Huber(Loss):
    """Huber's loss (1964) of standardised values: squared up to one spread, absolute beyond.

    A few labels that are far off, as prices have, do not pull all others with them.  There is
    nothing to smooth.
    """

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del smoothing
        self._centre, self._spread = centre(task), spread(task)

    def forward(self, given: Given) -> Tensor:
        student, values = given.need(Need.STUDENT_LOGITS), given.target("values")
        # NaN times a weight of 0 would still be NaN.
        wanted = (torch.nan_to_num(values) - self._centre) / self._spread
        each = F.huber_loss(student.squeeze(-1), wanted, reduction="none")
        return weighted_mean(each, given.weights)
