"""One class out of several for every position of a sequence."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import BATCH, LENGTH, dimension
from kd2edge.nets.backbones.backbone import Hidden
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class TokenClassificationHead(Head):
    """Dropout and one linear layer on every sub-word: logits [batch, length, label]."""

    def __init__(self, spec: TaskSpec, width: int, dropout: float) -> None:
        super(Head, self).__init__()
        self.shape = (BATCH, dimension(spec.input, LENGTH), len(spec.labels))
        self.task = spec.name
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, len(spec.labels))

    def forward(self, hidden: Hidden) -> Tensor:
        if hidden.sequence is None:
            raise UsageError(
                f"task {self.task}: token_classification needs a backbone that keeps positions"
                " (inputs of kind text or tokens); this one gives a single vector a row"
            )
        return self.linear(self.dropout(hidden.sequence))
