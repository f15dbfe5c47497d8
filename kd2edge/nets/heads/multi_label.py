"""Any number of labels for a whole row."""

from __future__ import annotations

import math
from typing import final

from torch import Tensor, nn

from kd2edge.nets.features import Features, Widths
from kd2edge.nets.heads.head import Head
from kd2edge.tasks.spec import TaskSpec


@final
class MultiLabelHead(Head):
    """Dropout and one linear layer on the pooled vector: a logit per label [batch, label].

    The bias starts where one of the labels is expected, the prior of Lin et al. (2017, 1708.02002,
    section 4.1).  From even odds, hundreds of steps would go into learning that a row lacks most of
    the labels, and that loss would drown the other tasks'.
    """

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super(Head, self).__init__()
        self.shape = ("batch", len(spec.labels))
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(widths.pooled, len(spec.labels))
        nn.init.constant_(self.linear.bias, -math.log(len(spec.labels)))

    def forward(self, features: Features) -> Tensor:
        return self.linear(self.dropout(features.pooled))
