"""FAMO: weights by which all losses fall at the same pace (Liu et al. 2023, 2306.03792)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor

from kd2edge.distill.balance.adam import Adam
from kd2edge.distill.balance.balancer import Balancer, LossKey, Parts, Shared, parts_of
from kd2edge.tasks.spec import TaskName

#: Added to losses before their logarithm, as the authors' code does.
_EPSILON = 1e-8


@final
class Famo(Balancer):
    """``c * sum z log L`` with ``z = softmax(w)`` and ``c = 1 / sum(z / L)`` (algorithm 1).

    After the step ``w`` learns, by Adam, from how much each ``log L`` fell on the same batch: that
    takes one more forward pass.  Losses on features belong to no task and keep their fixed weight.
    TorchJD's form of it wants every task in every batch, and half of its memory is in no
    checkpoint.

    Args:
        tasks: the student's tasks.
        lr: learning rate of ``w``.
        weight_decay: how strongly ``w`` is drawn to 0, where all tasks weigh the same.
    """

    looks_again = True
    logits: Tensor

    def __init__(self, tasks: Sequence[TaskName], *, lr: float, weight_decay: float) -> None:
        super().__init__()
        self._at = {task: index for index, task in enumerate(tasks)}
        self._decay = weight_decay
        self._before: Parts | None = None
        self.register_buffer("logits", torch.zeros(len(tasks)))
        self.adam = Adam(len(tasks), lr)

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        del shared
        parts = parts_of(terms)
        weighted: Tensor | None = None
        if parts.tasks:
            losses = torch.stack(parts.losses) + _EPSILON
            shares = torch.softmax(self.logits[self._places(parts)], dim=0)
            scale = 1 / (shares / losses.detach()).sum()
            weighted = scale * (shares * losses.log()).sum()
        total = parts.total(weighted)
        total.backward()
        detached = [loss.detach() for loss in parts.losses]
        self._before = parts._replace(losses=detached, shared=None)
        return total.detach()

    @torch.no_grad()
    def after_step(self, terms: Mapping[LossKey, Tensor]) -> None:
        before, self._before = self._before, None
        now = parts_of(terms)
        if before is None or not now.tasks:
            return
        at = self._places(now)
        old, new = torch.stack(before.losses) + _EPSILON, torch.stack(now.losses) + _EPSILON
        fell = old.log() - new.log()
        shares = torch.softmax(self.logits[at], dim=0)
        gradient = shares * (fell - (shares * fell).sum())  # of softmax(w) @ fell
        self.logits[at] += self.adam.step(gradient + self._decay * self.logits[at], at)

    def _places(self, parts: Parts) -> Tensor:
        at = [self._at[task] for task in parts.tasks]
        return torch.tensor(at, device=self.logits.device)
