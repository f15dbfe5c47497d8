"""Any number of labels for a whole row."""

from __future__ import annotations

import math
from typing import final

from torch import nn

from kd2edge.nets.features import Widths
from kd2edge.nets.heads.pooled import PooledHead
from kd2edge.tasks.spec import TaskSpec


@final
class MultiLabelHead(PooledHead):
    """A pooled head whose bias starts where one of the labels is expected.

    The prior of Lin et al. (2017, 1708.02002, section 4.1).  From even odds, hundreds of steps
    would go into learning that a row lacks most of the labels, and that loss would drown the other
    tasks'.
    """

    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None:
        super().__init__(spec, widths, dropout)
        nn.init.constant_(self.linear.bias, -math.log(len(spec.labels)))
