"""The interface of a fusion: the vectors of several inputs become one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class Fusion(nn.Module, ABC):
    """Made of (input -> width of its vector, options).  Implementations are final."""

    #: Size of the vector that it gives.
    width: int

    @abstractmethod
    def __init__(self, widths: Mapping[str, int], **options: Any) -> None: ...

    @abstractmethod
    def forward(self, pooled: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """One vector a row.

        What stands in the vector of an input that is absent must have no part in it.

        Args:
            pooled: input -> ``[batch, width]``.
            present: input that may be absent -> which rows have it, ``[batch, 1]``, 1 or 0.
        """
