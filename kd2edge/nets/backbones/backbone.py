"""The interface of a backbone family: how a backbone is made, fed and read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from kd2edge.inputs.spec import InputSpec
from kd2edge.nets.features import Features, MapSize
from kd2edge.nets.spec import ModelSpec


class Adapter(nn.Module, ABC):
    """Feeds a backbone with the arrays of its input and reads what comes out.

    It holds the weights that are ours and not the backbone's (a casing table, an image's mean), so
    that module paths inside the backbone stay those of its own library.
    """

    #: Size of the pooled vector.
    width: int
    #: Size of the vectors of a sequence; 0: there are none.
    positions: int = 0
    #: Sizes of the feature maps, fine ones first.
    maps: tuple[MapSize, ...] = ()

    @abstractmethod
    def forward(self, backbone: nn.Module, arrays: Mapping[str, Tensor]) -> Features:
        """Run ``backbone`` on ``arrays``: what it sees of its own input."""

    @abstractmethod
    def embeddings(self, backbone: nn.Module) -> Mapping[str, nn.Embedding]:
        """The tables whose sum starts a sequence: ``word``, ``position``, ``type``, ``casing``.

        Those that the backbone does not have are left out; a backbone for images has none, one for
        tables a ``category``.
        """


@dataclass(frozen=True, slots=True)
class Request:
    """What a family gets to build from.

    Args:
        vocabulary: pieces, or ids of categories, that the embedding table must have rows for; None
            leaves its size to the configuration.
        source_dir: folder of pretrained weights; None for fresh ones.
    """

    model: ModelSpec
    input: InputSpec
    vocabulary: int | None
    source_dir: Path | None


@dataclass(frozen=True, slots=True)
class Built:
    """A backbone, its adapter, and the configuration that rebuilds both without the source."""

    backbone: nn.Module
    adapter: Adapter
    config: Mapping[str, Any]
