"""Yes or no for a whole row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.nets.backbones.backbone import Hidden
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class BinaryHead(Head):
    """Dropout and one linear layer on the pooled vector: the positive label's logit [batch, 1]."""

    def __init__(self, spec: TaskSpec, width: int, dropout: float) -> None:
        super(Head, self).__init__()
        self.shape = ("batch", 1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, 1)

    def forward(self, hidden: Hidden) -> Tensor:
        return self.linear(self.dropout(hidden.pooled))

    @torch.no_grad()
    def reorder(self, order: Sequence[int]) -> None:
        if list(order) == [
            1,
            0,
        ]:  # the other label is the positive one: sigmoid(-x) = 1 - sigmoid(x)
            self.linear.weight.neg_()
            self.linear.bias.neg_()
