"""The vector of the only input, as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from torch import Tensor

from kd2edge.nets.fusion.fusion import Fusion


@final
class Single(Fusion):
    """Nothing to learn: what every net of one input has."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super(Fusion, self).__init__()
        (self.width,) = widths.values()

    def forward(self, pooled: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        del present
        (only,) = pooled.values()
        return only
