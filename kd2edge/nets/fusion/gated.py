"""A weighted mean of the inputs' vectors, weighed anew for every row.

Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.nets.fusion.fusion import Fusion

#: Added to the score of what is absent: exp() of it is 0, and it fits fp16.
_ABSENT = -1.0e4


@final
class Gated(Fusion):
    """Each vector is brought to ``width`` and weighed by a score of its own; weights sum to 1."""

    def __init__(self, widths: Mapping[str, int], width: int) -> None:
        super(Fusion, self).__init__()
        self.width = width
        # By their order: a module dictionary does not take every name that an input may have.
        self.parts = nn.ModuleList(nn.Linear(one, width) for one in widths.values())
        self.scores = nn.ModuleList(nn.Linear(one, 1) for one in widths.values())

    def forward(self, pooled: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        parts: list[Tensor] = []
        scores: list[Tensor] = []
        for (name, one), part, score in zip(pooled.items(), self.parts, self.scores, strict=True):
            there = present.get(name)
            parts.append(torch.tanh(part(one)))
            own = score(one)
            scores.append(own if there is None else own * there + (1.0 - there) * _ABSENT)
        weights = torch.softmax(torch.cat(scores, dim=-1), dim=-1)  # [batch, input]
        return (torch.stack(parts, dim=1) * weights[:, :, None]).sum(1)
