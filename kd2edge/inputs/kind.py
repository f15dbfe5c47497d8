"""The interface of an input kind, NumPy half: raw values to arrays, in training and in serving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.piece_counts import PieceCounts
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


@dataclass(frozen=True, slots=True)
class IdRows:
    """Rows of one free place: with each id there in turn, every row of the table is asked for.

    Args:
        template: array name -> ``[1, length]``, control tokens and one piece.
        name: the array of ids.
        slot: the free place.
        size: ids from 0 to ``size - 1``.
    """

    template: Mapping[str, npt.NDArray[Any]]
    name: str
    slot: int
    size: int

    def rows(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """The rows of the ids [start, stop)."""
        count = stop - start
        arrays = {name: np.repeat(array, count, axis=0) for name, array in self.template.items()}
        arrays[self.name][:, self.slot] = np.arange(start, stop)
        return arrays


@dataclass(frozen=True, slots=True)
class Probes:
    """What a self-test asks of an input.

    Args:
        values: name -> raw value: encoded and run.
        pieces: raw values that ask for the whole vocabulary: encoded only.
        ids: rows of ids that ask for the whole embedding table: run only; None: there is none.
    """

    values: Mapping[str, Any]
    pieces: Sequence[Any] = ()
    ids: IdRows | None = None


@dataclass(frozen=True, slots=True)
class Twin:
    """A raw value, and another that says the same.

    Args:
        name: of the value's form.
        value: the one.
        other: the other, in the form that is sure to be read right.
        levels: by how much their arrays may differ.
    """

    name: str
    value: Any
    other: Any
    levels: int


class InputKind(ABC):
    """One kind of input.  Implementations are final and hold no state."""

    #: The name in recipes and manifests.
    name: str
    #: How many columns of the data make one raw value (None: any number).
    columns: int | None = 1
    #: Whether a value in the data may be the path of a file: then its bytes tell rows apart.
    files: bool = False
    #: Whether probes are values as rows have them.  int8 has its ranges from calibration rows, and
    #: says nothing of what lies far outside of them, however right it is on rows.
    usual_probes: bool = True
    #: Whether its rows have words, which tasks may label one by one.
    words: bool = False
    #: Whether what :meth:`examine` refuses depends on the options.
    picky: bool = False
    #: A raw value, for a model's card.
    example: Any = None
    #: The array whose zeros hide positions, without its prefix; "" where every position counts.
    mask: str = ""

    @abstractmethod
    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        """The arrays that its encoder gives, with dynamic dimensions named; no file is needed.

        Raises:
            UsageError: options that say too little, or what cannot be.
        """

    def ranges(self, spec: InputSpec) -> Mapping[str, tuple[int, int]]:
        """Smallest and largest size of every dynamic dimension beside the batch."""
        del spec
        return {}

    @abstractmethod
    def open(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        """Make the encoder.  ``files`` holds the bytes of every role in ``spec.files``."""

    @abstractmethod
    def value(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> Any:
        """The raw value in a row of data; relative media paths start at the folder ``root``.

        Raises:
            ValueError: a missing column, NaN or a wrong type.  Callers add file and line.
        """

    def typed(self, text: str) -> Any:
        """The raw value that somebody means who types ``text``; None: none can be typed."""
        del text
        return None

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        """Raw values that ask the preprocessing for all it does; their results become golden."""
        del spec, files
        return Probes({})

    def twins(self, spec: InputSpec) -> Iterable[Twin]:
        """Raw values in other forms, which no golden file can hold and no row of a split may have.

        Raises:
            BackendError: what writes such forms is not here.
        """
        del spec
        return ()

    def examine(self, spec: InputSpec, value: Any) -> None:
        """Refuse what :meth:`value` gave and no encoder takes, as far as it shows at little cost.

        Most kinds have nothing to add: what they took can be encoded.

        Raises:
            ValueError: as in encoding.  Callers add file and line.
        """
        del spec, value
