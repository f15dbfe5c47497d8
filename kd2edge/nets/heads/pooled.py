"""The head of every kind that decides a row as a whole."""

from __future__ import annotations

from torch import Tensor, nn

from kd2edge.inputs.spec import BATCH
from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskSpec


class PooledHead(Head):
    """Dropout and one linear layer on the pooled vector: the channels of the kind [batch, channel].

    Levels of an order have a logit each, free of the others: rows that are loved or hated have two
    peaks, which thresholds on one number cannot show.
    """

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        (output,) = task_kind(spec.kind).outputs(spec)
        self.shapes = ((BATCH, output.channels),)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(widths.pooled, output.channels)

    def forward(self, features: Features) -> tuple[Tensor, ...]:
        return (self.linear(self.dropout(features.pooled)),)
