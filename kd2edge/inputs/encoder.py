"""The interface of an encoder: raw values to arrays, in training and in serving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.piece_counts import PieceCounts
from kd2edge.inputs.spec import ArraySpec, Encoded


class Encoder(ABC):
    """Turns raw values into arrays.  Thread-safe: holds constants only."""

    #: The arrays that :meth:`encode` gives, with dynamic dimensions named.
    arrays: tuple[ArraySpec, ...]
    #: Whether it takes rows that lack the input.
    optional: bool = False

    @abstractmethod
    def encode(self, values: Sequence[Any]) -> Encoded:
        """Encode a batch (at least one row).

        Fast path: one array of the graph's own dtype and shape (for an image input a uint8 batch
        ``[batch, channel, height, width]``) is returned as it is, without a copy.

        Raises:
            InputError: a value of a wrong type, shape or range; the message names its index.
        """

    @abstractmethod
    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        """Length of each row before padding, for length buckets; 1 for inputs of a fixed size."""

    def piece_counts(self, values: Sequence[Any]) -> PieceCounts | None:
        """How these values fall into pieces; None for inputs without a tokenizer.

        Raises:
            InputError: as :meth:`encode`.
        """
        del values
        return None

    @abstractmethod
    def truncated(self, value: Any) -> bool:
        """Whether the length limit cuts something off this value."""

    @abstractmethod
    def edge_values(self) -> Mapping[str, Any]:
        """Raw values at the edges, by name ("empty", "longest" ...), for level 5 of validation."""
