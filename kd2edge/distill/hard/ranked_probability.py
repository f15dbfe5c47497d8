"""The hard loss of levels that stand in an order."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.hard.cross_entropy import cross_entropy
from kd2edge.distill.loss import Given, Loss, Need, weighted_mean
from kd2edge.tasks.spec import TaskSpec


@final
class RankedProbability(Loss):
    """Cross entropy, plus the ranked probability score, which knows how far off a level is.

    Cross entropy alone takes a 4 for a 5 as badly as a 1; the score alone learns slowly from rows
    that it has nearly right.  Smoothing is of the cross entropy.
    """

    needs = frozenset({Need.STUDENT_LOGITS, Need.TARGETS})

    def __init__(self, task: TaskSpec, smoothing: float) -> None:
        super().__init__()
        del task
        self._smoothing = smoothing

    def forward(self, given: Given) -> Tensor:
        student, labels = given.need(Need.STUDENT_LOGITS), given.target("labels")
        values = cross_entropy(student, labels, self._smoothing)
        values = values + ranked_probability(student, labels)
        return weighted_mean(values, given.weights)


def ranked_probability(student: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of cumulative chances ``[item, level]`` from the true level's ``[item]``.

    The ranked probability score (Epstein 1969), as a loss the squared earth mover's distance of
    Hou, Yu and Samaras (2016, 1611.05916); finite where ``MISSING``.
    """
    below = student.softmax(-1).cumsum(-1)[..., :-1]  # [item, level - 1]
    levels = torch.arange(below.shape[-1], device=student.device)
    reached = (labels.unsqueeze(-1) <= levels).to(student.dtype)
    return (below - reached).square().sum(-1)
