"""One class out of several for every position of a sequence."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import BATCH, LENGTH, dimension
from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class TokenClassificationHead(Head):
    """Dropout and one linear layer on every sub-word: logits [batch, length, label]."""

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        self.shapes = ((BATCH, dimension(spec.input, LENGTH), len(spec.labels)),)
        self.dropout = nn.Dropout(dropout)
        self.input = spec.input
        width = widths.sequences.get(spec.input)
        if width is None:
            raise UsageError(
                f"task {spec.name}: token_classification needs an input that keeps positions (kind"
                f" text or tokens), found {spec.input!r}; the net has {sorted(widths.sequences)}"
            )
        self.linear = nn.Linear(width, len(spec.labels))

    def forward(self, features: Features) -> tuple[Tensor, ...]:
        return (self.linear(self.dropout(features.sequences[self.input])),)
