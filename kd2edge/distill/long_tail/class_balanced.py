"""Class-balanced loss: an item counts by how many items of its class there really are."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.long_tail.long_tail import LongTail, Support
from kd2edge.tasks.spec import TaskSpec


@final
class ClassBalanced(LongTail):
    """Weights ``(1 - beta) / (1 - beta**n)`` of a class of n items (Cui et al. 2019, 1901.05555).

    One over the effective number of items: those of a large class repeat one another.  Weights are
    scaled so that their mean over the training items is 1, where the paper lets them sum to the
    number of classes: the loss keeps its size beside the teacher's.  A batch is still divided by
    its items, not by its weights.

    Of several labels a row, each is a task of yes or no with weights of its own.

    Args:
        task: whose classes they are.
        support: of the training rows.
        beta: 0 weighs all items alike, 1 (never reached) by one over n.
    """

    kinds = frozenset(
        {"binary", "classification", "multi_label", "ordinal", "token_classification"}
    )
    table: Tensor  # [class], or [label, no or yes]

    def __init__(self, task: TaskSpec, support: Support, *, beta: float) -> None:
        super().__init__()
        counts = torch.tensor(support.labels, dtype=torch.float64)
        if task.kind == "multi_label":
            counts = torch.stack([support.rows - counts, counts], dim=-1)
        self.register_buffer("table", _balanced(counts, beta).float(), persistent=False)

    def labelled(self, student: Tensor) -> Tensor:
        return student

    def taught(self, student: Tensor) -> Tensor:
        return student

    def weights(self, labels: Tensor) -> Tensor:
        known = labels.clamp(min=0)  # MISSING is negative
        if self.table.dim() == 1:
            return self.table[known]
        return self.table[torch.arange(len(self.table), device=labels.device), known]


def _balanced(counts: Tensor, beta: float) -> Tensor:
    """Weights of classes ``[..., class]``; 1 for one without any item, which none will ask for."""
    # By expm1: 1 - beta ** n has no digits left where beta is next to 1.  Beta 0 gives exp(-inf).
    effective = -torch.expm1(counts * torch.tensor(beta, dtype=torch.float64).log())
    weights = torch.where(counts > 0, (1 - beta) / effective, 0.0)
    mean = (weights * counts).sum(-1, keepdim=True) / counts.sum(-1, keepdim=True)
    return torch.where(counts > 0, weights / mean, 1.0)
