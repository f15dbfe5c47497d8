"""GradNorm: weights that bring the norms of the tasks' gradients together (Chen et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from kd2edge.distill.balance.adam import Adam
from kd2edge.distill.balance.balancer import Balancer, LossKey, Parts, Shared, parts_of
from kd2edge.distill.balance.tap import Tap
from kd2edge.tasks.spec import TaskName

#: No loss at a task's start, and no weight, is smaller.
_LEAST = 1e-8


@final
class GradNorm(Balancer):
    """The weighted sum of the tasks' losses; weights learn from the norms of their gradients.

    Algorithm 1 of 1711.02257: ``sum |G - mean(G) * r ** alpha|`` falls, by Adam, where ``G`` is the
    norm of a task's weighted gradient and ``r`` what is left of its first loss over the mean of
    that over the tasks.  ``G`` is measured at the last tensor that all heads read, which costs no
    pass through the trunk.  Weights sum to the number of tasks: those of a batch keep together what
    they had.  Losses on features belong to no task and keep their fixed weight.

    Args:
        tasks: the student's tasks.
        alpha: how strongly tasks that lag behind are pulled along; at 0 all norms are to be equal.
        lr: learning rate of the weights.
    """

    weights: Tensor
    first: Tensor

    def __init__(self, tasks: Sequence[TaskName], *, alpha: float, lr: float) -> None:
        super().__init__()
        self._at = {task: index for index, task in enumerate(tasks)}
        self._alpha = alpha
        self._tap = Tap(tasks, "take another balancer")
        self.features = self._tap.paths
        self.register_buffer("weights", torch.ones(len(tasks)))
        #: Each task's first loss; NaN before it has one.
        self.register_buffer("first", torch.full((len(tasks),), torch.nan))
        self.adam = Adam(len(tasks), lr)

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        parts = parts_of(terms)
        weighted: Tensor | None = None
        norms, at = torch.zeros(0), torch.zeros(0, dtype=torch.long)
        if parts.tasks:
            at = torch.tensor([self._at[task] for task in parts.tasks], device=self.weights.device)
            norms = self._norms(parts, shared)
            weighted = (self.weights[at] * torch.stack(parts.losses)).sum()
        total = parts.total(weighted)
        total.backward()
        if len(parts.tasks) > 1:
            self._learn(torch.stack(parts.losses).detach(), norms, at)
        return total.detach()

    def require_fits(self, shared: Shared, outputs: Sequence[Tensor]) -> None:
        self._tap.require(shared, outputs)

    def _norms(self, parts: Parts, shared: Shared) -> Tensor:
        """Of the gradients of the losses, without weights ``[task]``."""
        tensor = self._tap.tensor(shared, dict(zip(parts.tasks, parts.losses, strict=True)))
        norms: list[Tensor] = []
        for loss in parts.losses:
            (found,) = torch.autograd.grad(loss, tensor, retain_graph=True, allow_unused=True)
            norms.append(loss.new_zeros(()) if found is None else found.float().norm())
        return torch.stack(norms)

    def _learn(self, losses: Tensor, norms: Tensor, at: Tensor) -> None:
        first = self.first[at]
        self.first[at] = torch.where(first.isnan(), losses.clamp(min=_LEAST), first)
        left = losses / self.first[at]
        pace = (left / left.mean().clamp(min=_LEAST)) ** self._alpha
        weights = self.weights[at]
        measured = weights * norms
        gradient = norms * torch.sign(measured - measured.mean() * pace)
        moved = (weights + self.adam.step(gradient, at)).clamp(min=_LEAST)
        self.weights[at] = moved * (weights.sum() / moved.sum())
