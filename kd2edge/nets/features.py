"""What an encoder sees of its input, and what heads read of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor

#: Channels, height and width of a feature map.
MapSize = tuple[int, int, int]


@final
@dataclass(frozen=True, slots=True)
class Features:
    """Vectors of a batch.

    Args:
        pooled: one vector a row, ``[batch, width]``.
        sequences: input -> one vector a position, ``[batch, length, width]``, for inputs that have
            positions.
        maps: input -> feature maps ``[batch, channel, height, width]``, fine ones first, for inputs
            that have places.
        present: input that may be absent -> which rows have it, ``[batch, 1]``, 1 or 0.
    """

    pooled: Tensor
    sequences: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    maps: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict[str, tuple[Tensor, ...]])
    present: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


@final
@dataclass(frozen=True, slots=True)
class Widths:
    """Sizes of the vectors and maps in :class:`Features`.

    Args:
        pooled: of the vector of a row.
        sequences: input -> of the vector of a position.
        maps: input -> channels, height and width of each of its maps.
    """

    pooled: int
    sequences: Mapping[str, int] = field(default_factory=dict[str, int])
    maps: Mapping[str, tuple[MapSize, ...]] = field(default_factory=dict[str, tuple[MapSize, ...]])
