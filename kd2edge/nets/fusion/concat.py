"""The vectors of all inputs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.nets.fusion.fusion import Fusion


@final
class Concat(Fusion):
    """Vectors side by side, zeros for what is absent; with ``hidden`` units a layer behind them.

    Without that layer a head adds up what each input says by itself.
    """

    def __init__(self, widths: Mapping[str, int], hidden: int = 0) -> None:
        super(Fusion, self).__init__()
        whole = sum(widths.values())
        self.width = hidden or whole
        self.hidden = nn.Linear(whole, hidden) if hidden else None

    def forward(self, pooled: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        shown = [one * present[name] if name in present else one for name, one in pooled.items()]
        joined = torch.cat(shown, dim=-1)
        return joined if self.hidden is None else torch.relu(self.hidden(joined))
