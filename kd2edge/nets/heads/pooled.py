"""The head of every kind that decides a row as a whole."""

from __future__ import annotations

from torch import Tensor, nn

from kd2edge.inputs.spec import BATCH
from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.nets.heads.scope import Scope
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.reject import prototypes_of
from kd2edge.tasks.spec import TaskSpec


class PooledHead(Head):
    """Dropout and one linear layer on the pooled vector: the channels of the kind [batch, channel].

    A task that rejects by distance has a second array, see :class:`Scope`.

    Levels of an order have a logit each, free of the others: rows that are loved or hated have two
    peaks, which thresholds on one number cannot show.
    """

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        outputs = task_kind(spec.kind).outputs(spec)
        self.shapes = ((BATCH, outputs[0].channels),)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(widths.pooled, outputs[0].channels)
        self.scope: Scope | None = None
        if count := prototypes_of(spec):
            self.set_scope(Scope(widths.pooled, count))

    def set_scope(self, scope: Scope | None) -> None:
        """Let it tell how far rows are in scope, too; None: no longer."""
        self.scope = scope
        self.shapes = (self.shapes[0], *([] if scope is None else [(BATCH, 1)]))

    def forward(self, features: Features) -> tuple[Tensor, ...]:
        logits = self.linear(self.dropout(features.pooled))
        return (logits,) if self.scope is None else (logits, self.scope(features.pooled))
