"""One level out of several for a whole row."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class OrdinalHead(Head):
    """Dropout and one linear layer on the pooled vector: a logit per level [batch, level].

    Levels that are free of each other can have two peaks, as rows have that are loved or hated; a
    head of thresholds on one number cannot.
    """

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        self.shape = ("batch", len(spec.labels))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(widths.pooled, len(spec.labels))

    def forward(self, features: Features) -> Tensor:
        return self.linear(self.dropout(features.pooled))
