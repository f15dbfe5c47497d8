"""The interface of an input kind, NumPy half: raw values to arrays, in training and in serving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec


class Encoder(ABC):
    """Turns raw values into arrays.  Thread-safe: holds constants only."""

    #: The arrays that :meth:`encode` gives, with dynamic dimensions named.
    arrays: tuple[ArraySpec, ...]

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

    @abstractmethod
    def truncated(self, value: Any) -> bool:
        """Whether the length limit cuts something off this value."""

    @abstractmethod
    def edge_values(self) -> Mapping[str, Any]:
        """Raw values at the edges, by name ("empty", "longest" ...), for level 5 of validation."""


class InputKind(ABC):
    """One kind of input.  Implementations are final and hold no state."""

    #: The name in recipes and manifests.
    name: str
    #: How many columns of the data make one raw value (None: any number).
    columns: int | None = 1
    #: Whether a value in the data may be the path of a file: then its bytes tell rows apart.
    files: bool = False

    @abstractmethod
    def open(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        """Make the encoder.  ``files`` holds the bytes of every role in ``spec.files``."""

    @abstractmethod
    def value(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> Any:
        """The raw value in a row of data; relative media paths start at the folder ``root``.

        Raises:
            ValueError: a missing column, NaN or a wrong type.  Callers add file and line.
        """

    def examine(self, spec: InputSpec, value: Any) -> None:
        """Refuse what :meth:`value` gave and no encoder takes, as far as it shows at little cost.

        Most kinds have nothing to add: what they took can be encoded.

        Raises:
            ValueError: as in encoding.  Callers add file and line.
        """
        del spec, value
