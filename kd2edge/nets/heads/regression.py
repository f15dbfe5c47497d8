"""A number for a whole row."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class RegressionHead(Head):
    """Dropout and one linear layer on the pooled vector: a standardised value [batch, 1]."""

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        del spec
        self.shape = ("batch", 1)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(widths.pooled, 1)

    def forward(self, features: Features) -> Tensor:
        return self.linear(self.dropout(features.pooled))
