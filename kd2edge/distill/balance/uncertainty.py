"""Weights that are learned as each task's uncertainty (Kendall, Gal and Cipolla 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.distill.balance.balancer import SHARED, Balancer, LossKey, Shared, tasks_of
from kd2edge.tasks.spec import TaskName


@final
class Uncertainty(Balancer):
    """``sum over tasks of exp(-s) * L + s / 2`` with one learned log variance ``s`` a task.

    A task is weighted as a whole, so that alpha keeps its meaning inside it.  Losses on
    features belong to no task and keep their fixed weight.
    """

    def __init__(self, tasks: Sequence[TaskName]) -> None:
        super().__init__()
        self._at = {task: index for index, task in enumerate(tasks)}
        self.log_variance = nn.Parameter(torch.zeros(len(tasks)))

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        del shared
        total = torch.stack([self._weighted(*item) for item in tasks_of(terms).items()]).sum()
        total.backward()
        return total.detach()

    def _weighted(self, task: TaskName, loss: Tensor) -> Tensor:
        if task == SHARED:
            return loss
        log_variance = self.log_variance[self._at[task]]
        return torch.exp(-log_variance) * loss + log_variance / 2
