"""The hard loss of levels that stand in an order."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.tasks.classification import cross_entropy
from kd2edge.distill.tasks.label_loss import LabelLoss


@final
class RankedProbability(LabelLoss):
    """Cross entropy, plus the ranked probability score, which knows how far off a level is.

    Cross entropy alone takes a 4 for a 5 as badly as a 1; the score alone learns slowly from rows
    that it has nearly right.  Smoothing is of the cross entropy.
    """

    def values(self, student: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(student, labels, self.smoothing) + ranked_probability(student, labels)


def ranked_probability(student: Tensor, labels: Tensor) -> Tensor:
    """Squared distance of cumulative chances ``[item, level]`` from the true level's ``[item]``.

    The ranked probability score (Epstein 1969), as a loss the squared earth mover's distance of
    Hou, Yu and Samaras (2016, 1611.05916); finite where ``MISSING``.
    """
    below = student.softmax(-1).cumsum(-1)[..., :-1]  # [item, level - 1]
    levels = torch.arange(below.shape[-1], device=student.device)
    reached = (labels.unsqueeze(-1) <= levels).to(student.dtype)
    return (below - reached).square().sum(-1)
