"""A layer of units: linear, norm, ReLU."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

#: What may stand between the linear layer and the ReLU.
NORMS = ("batch", "layer", "none")


@final
class Dense(nn.Module):
    """``[batch, inputs]`` to ``[batch, outputs]``; exporters fold a batch norm into the weights."""

    def __init__(self, inputs: int, outputs: int, norm: str = "batch") -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=norm != "batch")
        self.norm: nn.Module = {
            "batch": nn.BatchNorm1d,
            "layer": nn.LayerNorm,
            "none": nn.Identity,
        }[norm](outputs)

    def forward(self, rows: Tensor) -> Tensor:
        drawn, norm = self.linear(rows), self.norm
        if isinstance(norm, nn.BatchNorm1d) and self.training and len(drawn) == 1:
            # A last batch of one row has no spread of its own.
            mean, variance = norm.running_mean, norm.running_var
            return F.relu(F.batch_norm(drawn, mean, variance, norm.weight, norm.bias, eps=norm.eps))
        return F.relu(norm(drawn))
