"""Dynamic weight average: losses that fall slowly weigh more (Liu, Johns and Davison 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from kd2edge.distill.balance.balancer import Balancer, LossKey, Shared, parts_of
from kd2edge.tasks.spec import TaskName


@final
class Dwa(Balancer):
    """``K * softmax(r / T)`` weighs the K tasks of a batch; ``r`` is how a task's loss fell.

    Equation 7 of 1803.10704: ``r`` is the mean loss of the epoch before over that of the epoch
    before it, and 1 as long as there are not two; a task's own mean, over the batches that had it.
    Losses on features belong to no task and keep their fixed weight.  TorchJD's form of it wants
    every task in every batch, and its memory is in no checkpoint.

    Args:
        tasks: the student's tasks.
        temperature: T; large ones make the weights alike.
    """

    sums: Tensor
    counts: Tensor
    means: Tensor

    def __init__(self, tasks: Sequence[TaskName], *, temperature: float) -> None:
        super().__init__()
        self._at = {task: index for index, task in enumerate(tasks)}
        self._temperature = temperature
        self.register_buffer("sums", torch.zeros(len(tasks)))
        self.register_buffer("counts", torch.zeros(len(tasks)))
        #: Of the last two epochs that had a task, ``[2, task]``, the older one first.
        self.register_buffer("means", torch.full((2, len(tasks)), torch.nan))

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        del shared
        parts = parts_of(terms)
        weighted: Tensor | None = None
        if parts.tasks:
            at = [self._at[task] for task in parts.tasks]
            losses = torch.stack(parts.losses)
            self.sums[at] += losses.detach()
            self.counts[at] += 1
            weighted = (self.weights(at) * losses).sum()
        total = parts.total(weighted)
        total.backward()
        return total.detach()

    def weights(self, at: Sequence[int]) -> Tensor:
        """Of the tasks at these places; they sum to their number."""
        older, newer = self.means[:, list(at)]
        # Without two epochs, or where a loss was 0, nothing is known of its pace.
        rates = (newer / older).nan_to_num(1.0, posinf=1.0)
        return len(at) * torch.softmax(rates / self._temperature, dim=0)

    def end_epoch(self) -> None:
        seen = self.counts > 0
        older = torch.where(seen, self.means[1], self.means[0])
        newer = torch.where(seen, self.sums / self.counts, self.means[1])
        self.means.copy_(torch.stack([older, newer]))
        self.sums.zero_()
        self.counts.zero_()
