"""A static text encoder of our own: a table of embeddings, their mean, layers of units.

No position sees another one: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic
Methods for Text Classification" (a mean and layers behind it).  What a piece weighs in the mean:
Arora et al. 2017, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.nets.backbones.backbone import Built, Request
from kd2edge.nets.backbones.dense import NORMS, Dense
from kd2edge.nets.backbones.pieces import (
    PieceNet,
    PiecesAdapter,
    config_of,
    pooled_size,
    require_one_of,
    word_table,
)
from kd2edge.nets.backbones.pooling import pooled, weighted_mean

#: Arora et al. 2017: a of a / (a + p).
_SMOOTH = 1.0e-3
#: What a row's pieces weigh at least: fp16 has numbers around it, and 0 / 0 is none.
LEAST = 1.0e-4


@dataclass(frozen=True, slots=True)
class StaticConfig:
    """Shape of the net.

    Args:
        embedding: width of the table.
        weighted: whether the mean weighs each piece by a number of its own, which is learned; a
            maximum has no use for it.
        hidden: units of each layer behind the pooled vector; none: heads read it as it is.
        norm: behind each of their linear layers: ``batch``, ``layer``, ``none``.
        dropout: behind each of them.
    """

    embedding: int
    weighted: bool
    hidden: tuple[int, ...]
    norm: str
    dropout: float


@final
class Static(PieceNet):
    """Words at ``word_embeddings``, their weights at ``word_weights``, layers at ``layers.0`` ...

    A position's vector is its embedding alone.
    """

    def __init__(self, config: StaticConfig, request: Request) -> None:
        super().__init__()
        self.word_embeddings = word_table(request, config.embedding)
        pieces = self.word_embeddings.num_embeddings
        weighted = config.weighted and request.model.pooling != "max"
        self.word_weights = nn.Embedding(pieces, 1) if weighted else None
        if self.word_weights is not None:
            ranks = torch.arange(1, pieces + 1, dtype=torch.float64)
            weigh_by_frequency(self.word_weights, 1.0 / (ranks * (1.0 / ranks).sum()))
        self.positions = config.embedding
        self.width = pooled_size(request, config.embedding)
        self.layers = nn.ModuleList()
        for units in config.hidden:
            self.layers.append(Dense(self.width, units, config.norm))
            self.width = units
        self.dropout = nn.Dropout(config.dropout)
        self._pooling = request.model.pooling

    def forward(self, ids: Tensor, visible: Tensor, casing: Tensor | None) -> tuple[Tensor, Tensor]:
        sequence = self.word_embeddings(ids)
        if casing is not None:
            sequence = sequence + casing
        mean = None
        if self.word_weights is not None:
            weights = torch.sigmoid(self.word_weights(ids)).squeeze(-1) * visible
            mean = weighted_mean(sequence, weights, LEAST)
        row = pooled(sequence, visible, self._pooling, mean)
        for layer in self.layers:
            row = self.dropout(layer(row))
        return row, sequence


def frequency_weights(shares: Tensor) -> Tensor:
    """What pieces weigh, a / (a + p), Arora et al. 2017, section 3: the rarer, the more.

    Args:
        shares: p, the share of each piece in all texts.
    """
    return _SMOOTH / (_SMOOTH + shares)


@torch.no_grad()
def weigh_by_frequency(weights: nn.Embedding, shares: Tensor) -> None:
    """Start learned weights at :func:`frequency_weights`, in place.

    Those are the logistic function of log(a / p), which keeps what is learned between 0 and 1, too.

    Args:
        weights: ``[piece, 1]``, before the logistic function.
        shares: of the first so many pieces, above 0.
    """
    weights.weight[: len(shares)] = (_SMOOTH / shares).log()[:, None].to(weights.weight)


def build(request: Request) -> Built:
    """A fresh net for an input that is cut into pieces.

    Raises:
        UsageError: an unknown key or word, a missing key, an input without a tokenizer, or a folder
            of pretrained weights.
    """
    config = config_of(StaticConfig, request)
    require_one_of("static", "norm", config.norm, NORMS)
    backbone = Static(config, request)
    stated = {**asdict(config), "hidden": list(config.hidden)}
    return Built(backbone, PiecesAdapter(request, backbone), stated)
