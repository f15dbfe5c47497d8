"""Embeddings of numbers: several values for each, so that a layer can tell parts of its range.

Gorishniy et al. 2022, "On Embeddings for Numerical Features in Tabular Deep Learning"
(arXiv 2203.05556).
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

#: How numbers may be embedded; ``plain``: not at all.
EMBEDDINGS = ("plain", "periodic", "quantile")


@final
class Periodic(nn.Module):
    """Sines and cosines of learned frequencies, then a layer that all columns share.

    ``[batch, column]`` to ``[batch, column * width]``.

    Args:
        columns: how many numbers a row has.
        width: values of each.
        frequencies: of each.
        sigma: deviation of the frequencies at first; how fast a number's meaning changes.
    """

    def __init__(self, columns: int, width: int, frequencies: int, sigma: float) -> None:
        super().__init__()
        self.width = width
        self.frequencies = nn.Parameter(torch.randn(columns, frequencies) * sigma)
        self.linear = nn.Linear(2 * frequencies, width)

    def forward(self, numbers: Tensor) -> Tensor:
        angles = (2 * math.pi) * self.frequencies * numbers[:, :, None]
        waves = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
        return torch.relu(self.linear(waves)).flatten(1)


@final
class Piecewise(nn.Module):
    """How far a number has come through each bin: 1 below it, a share of the one that it lies in.

    ``[batch, column]`` to ``[batch, column * bins]``.  The bins are equal parts of -1 to 1, where
    scaling by quantiles puts numbers: their edges are quantiles of the training rows.
    """

    starts: Tensor  # [bin]

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.width = bins
        # Not persistent: the configuration states them.
        self.register_buffer("starts", torch.arange(bins) * (2.0 / bins) - 1.0, persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        passed = (numbers[:, :, None] - self.starts) * (self.width / 2.0)
        return passed.clamp(0.0, 1.0).flatten(1)
