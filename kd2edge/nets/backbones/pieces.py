"""What nets of our own that read pieces of words share: how they are fed, built and refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import TypeVar, cast, final

import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.inputs.words import CASING_KINDS
from kd2edge.nets.backbones.backbone import Adapter, Request
from kd2edge.nets.backbones.configuration import checked
from kd2edge.nets.backbones.pooling import POOLINGS, pooled_width
from kd2edge.nets.features import Features

_Config = TypeVar("_Config")


class PieceNet(nn.Module, ABC):
    """A backbone that looks pieces up in a table of its own and pools what it makes of them."""

    #: ``[piece, embedding]``.
    word_embeddings: nn.Embedding
    #: Size of the vectors of a sequence.
    positions: int
    #: Size of the pooled vector.
    width: int

    @abstractmethod
    def forward(self, ids: Tensor, visible: Tensor, casing: Tensor | None) -> tuple[Tensor, Tensor]:
        """The vector of each row ``[batch, width]`` and of each position ``[batch, length, ...]``.

        Args:
            ids: of pieces, ``[batch, length]``.
            visible: ``[batch, length]`` 1 or 0; what is hidden changes no vector of what is not.
            casing: added to the embeddings, ``[batch, length, embedding]``; None: nothing is.
        """


@final
class PiecesAdapter(Adapter):
    """Pieces (and how their words were written) in, positions and their pooled vector out."""

    def __init__(self, request: Request, backbone: PieceNet) -> None:
        super().__init__()
        self.width, self.positions = backbone.width, backbone.positions
        self._input = request.input.name
        self._prefix = request.input.prefix
        width = backbone.word_embeddings.embedding_dim
        self.casing = (
            nn.Embedding(CASING_KINDS, width) if request.input.options.get("casing") else None
        )
        if self.casing is not None:
            nn.init.zeros_(self.casing.weight)  # a table that was started from a teacher stays it

    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        visible = arrays[self._prefix + "attention_mask"].to(torch.float32)
        casing = None
        if self.casing is not None:
            casing = self.casing(arrays[self._prefix + "casing_ids"])
        row, sequence = backbone(arrays[self._prefix + "input_ids"], visible, casing)
        return Features(row, {self._input: sequence})

    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        words = {"word": cast("PieceNet", backbone).word_embeddings}
        return words if self.casing is None else {**words, "casing": self.casing}


def config_of(kind: type[_Config], request: Request) -> _Config:
    """The configuration of a family, with every field of it stated.

    Raises:
        UsageError: an unknown key or a missing one, an unknown pooling, or a folder of pretrained
            weights.
    """
    family = f"family {request.model.family}"
    if request.source_dir is not None:
        raise UsageError(f"{family}: there are no pretrained weights for it")
    if request.model.pooling not in POOLINGS:
        raise UsageError(
            f"{family}: pooling must be one of {', '.join(POOLINGS)},"
            f" found {request.model.pooling!r}"
        )
    names = [one.name for one in fields(kind)]  # pyright: ignore[reportArgumentType]
    given = checked(request.model.config, names, family)
    missing = [name for name in names if name not in given]
    if missing:
        raise UsageError(f"model config of {family}: expected {', '.join(missing)}, found nothing")
    return kind(
        **{name: tuple(one) if isinstance(one, list) else one for name, one in given.items()}
    )


def require_one_of(family: str, name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a word that a family does not know.

    Args:
        family: whose configuration it is.
        name: its key.
        value: what stands there.
        known: what may stand there.

    Raises:
        UsageError: it is none of them.
    """
    if value not in known:
        raise UsageError(
            f"family {family}: {name} must be one of {', '.join(known)}, found {value!r}"
        )


def word_table(request: Request, width: int) -> nn.Embedding:
    """A fresh table with a row for each piece of the tokenizer; rows have a length of about 1.

    Raises:
        UsageError: an input without a tokenizer.
    """
    if request.vocabulary is None:
        raise UsageError(
            f"family {request.model.family}: input {request.input.name} needs a tokenizer, whose"
            " pieces the embedding table has rows for"
        )
    table = nn.Embedding(request.vocabulary, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    return table


def pooled_size(request: Request, width: int) -> int:
    """Of the vector that the model's pooling makes of vectors of this ``width``."""
    return pooled_width(width, request.model.pooling)
