"""A convolutional text encoder of our own: embeddings, then windows of neighbours, layer by layer.

As spaCy's ``MaxoutWindowEncoder`` (Honnibal 2016, "Embed, encode, attend, predict"), on sub-word
pieces: each layer adds to a position what a matrix makes of it and its neighbours.  Maxout:
Goodfellow et al. 2013 (arXiv 1302.4389).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import reduce
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd2edge.errors import UsageError
from kd2edge.nets.backbones.backbone import Built, Request
from kd2edge.nets.backbones.pieces import (
    PieceNet,
    PiecesAdapter,
    config_of,
    pooled_size,
    require_one_of,
    word_table,
)
from kd2edge.nets.backbones.pooling import pooled

#: What may stand behind the matrix of a layer.
ACTIVATIONS = ("maxout", "relu", "gelu")
_POINTWISE: MappingProxyType[str, Callable[[], nn.Module]] = MappingProxyType(
    {"relu": nn.ReLU, "gelu": nn.GELU}
)
_NORMS = ("layer", "none")


@dataclass(frozen=True, slots=True)
class ConvConfig:
    """Shape of the net.

    Args:
        embedding: width of the table.
        width: of the layers; None: as the embeddings.
        layers: how many.
        kernel: positions that a layer sees at once, odd: half on either side.
        activation: ``maxout``, ``relu``, ``gelu``.
        pieces: values that ``maxout`` takes the largest of; of the others there is one.
        depthwise: weigh each channel's window on its own, then mix the channels of one position.
        norm: of embeddings and behind each activation: ``layer``, ``none``.
        dropout: of embeddings and behind each layer.
    """

    embedding: int
    width: int | None
    layers: int
    kernel: int
    activation: str
    pieces: int
    depthwise: bool
    norm: str
    dropout: float


@final
class Conv(PieceNet):
    """Words at ``word_embeddings``, layers at ``layers.0`` ...: ``[batch, length, width]``."""

    def __init__(self, config: ConvConfig, request: Request) -> None:
        super().__init__()
        width = config.width or config.embedding
        self.word_embeddings = word_table(request, config.embedding)
        self.embeddings_project = (
            nn.Linear(config.embedding, width) if width != config.embedding else nn.Identity()
        )
        self.norm = _norm(config, width)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(ConvLayer(config, width) for _ in range(config.layers))
        self.positions, self.width = width, pooled_size(request, width)
        self._pooling = request.model.pooling

    def forward(self, ids: Tensor, visible: Tensor, casing: Tensor | None) -> tuple[Tensor, Tensor]:
        sequence = self.word_embeddings(ids)
        if casing is not None:
            sequence = sequence + casing
        sequence = self.dropout(self.norm(self.embeddings_project(sequence)))
        shown = visible[:, :, None]
        for layer in self.layers:
            sequence = layer(sequence, shown)
        return pooled(sequence, visible, self._pooling), sequence


@final
class ConvLayer(nn.Module):
    """A position, and what one matrix makes of the window around it.

    The window is laid side by side instead of a ``Conv1d``: the same sum as one matrix product,
    which both forms of int8 take (the dynamic one leaves convolutions float) and which needs no
    turning round of channels and positions.
    """

    def __init__(self, config: ConvConfig, width: int) -> None:
        super().__init__()
        self.window = (Depthwise if config.depthwise else SideBySide)(width, config.kernel)
        pieces = config.pieces if config.activation == "maxout" else 1
        self.linear = nn.Linear(self.window.width, width * pieces)
        self.activation = (
            Maxout(pieces) if config.activation == "maxout" else _POINTWISE[config.activation]()
        )
        self.norm = _norm(config, width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, sequence: Tensor, shown: Tensor) -> Tensor:
        # Hidden positions are 0 before each window, as what lies beyond the ends is: padding says
        # nothing, however much of it there is.
        windows = self.window(sequence * shown.to(sequence.dtype))
        return sequence + self.dropout(self.norm(self.activation(self.linear(windows))))


@final
class SideBySide(nn.Module):
    """``[batch, length, width]`` to ``[batch, length, kernel * width]``: neighbours, left first."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.width = kernel * width
        self._kernel = kernel

    def forward(self, sequence: Tensor) -> Tensor:
        return torch.cat(_shifted(sequence, self._kernel), dim=-1)


@final
class Depthwise(nn.Module):
    """A weighted sum of each channel's window: ``[batch, length, width]`` to the same.

    Products and sums of whole vectors: engines run depthwise ``Conv1d`` channel by channel.
    """

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.empty(kernel, width))
        nn.init.normal_(self.weight, std=kernel**-0.5)

    def forward(self, sequence: Tensor) -> Tensor:
        parts = _shifted(sequence, len(self.weight))
        return sum(
            (part * weight for part, weight in zip(parts[1:], self.weight[1:], strict=True)),
            parts[0] * self.weight[0],
        )


@final
class Maxout(nn.Module):
    """The largest of several values a channel: ``[..., pieces * width]`` to ``[..., width]``."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces

    def forward(self, drawn: Tensor) -> Tensor:
        return reduce(torch.maximum, drawn.chunk(self._pieces, dim=-1))


def _shifted(sequence: Tensor, kernel: int) -> list[Tensor]:
    """The sequence as each place of the window sees it, zeros beyond the ends."""
    half = kernel // 2
    padded = F.pad(sequence, (0, 0, half, half))
    # Ends that count from behind need no length: it stays a dimension of the graph.
    return [padded[:, at : at - 2 * half or None] for at in range(kernel)]


def _norm(config: ConvConfig, width: int) -> nn.Module:
    return nn.LayerNorm(width) if config.norm == "layer" else nn.Identity()


def build(request: Request) -> Built:
    """A fresh net for an input that is cut into pieces.

    Raises:
        UsageError: an unknown key or word, a missing key, an even kernel, an input without a
            tokenizer, or a folder of pretrained weights.
    """
    config = config_of(ConvConfig, request)
    require_one_of("conv", "activation", config.activation, ACTIVATIONS)
    require_one_of("conv", "norm", config.norm, _NORMS)
    if config.kernel < 1 or config.kernel % 2 == 0:
        raise UsageError(f"family conv: kernel must be odd, found {config.kernel}")
    backbone = Conv(config, request)
    return Built(backbone, PiecesAdapter(request, backbone), asdict(config))
