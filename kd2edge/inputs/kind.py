"""The interface of an input kind, NumPy half: raw values to arrays, in training and in serving."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.absent import MayBeAbsent
from kd2edge.inputs.encoder import Encoder
from kd2edge.inputs.spec import ArraySpec, InputSpec

__all__ = ["Encoder", "IdRows", "InputKind", "Probes", "Twin"]


@dataclass(frozen=True, slots=True)
class IdRows:
    """Rows of one free place: with each id there in turn, every row of the table is asked for.

    Args:
        template: array name -> ``[1, ...]``, all that a graph reads: control tokens and one piece,
            or a usual row of a table.
        name: the array of ids.
        slot: the free place.
        size: how many ids there are.
        first: the first of them.
        column: whose categories they are; "" for pieces.
    """

    template: Mapping[str, npt.NDArray[Any]]
    name: str
    slot: int
    size: int
    first: int = 0
    column: str = ""

    def rows(self, start: int, stop: int) -> dict[str, npt.NDArray[Any]]:
        """The rows of the ids [start, stop), counted from the first."""
        count = stop - start
        arrays = {name: np.repeat(array, count, axis=0) for name, array in self.template.items()}
        arrays[self.name][:, self.slot] = np.arange(self.first + start, self.first + stop)
        return arrays


@dataclass(frozen=True, slots=True)
class Probes:
    """What a self-test asks of an input.

    Args:
        values: name -> raw value: encoded and run.
        pieces: raw values that ask for the whole vocabulary: encoded only.
        ids: rows of ids that together ask for the whole embedding table: run only.
    """

    values: Mapping[str, Any]
    pieces: Sequence[Any] = ()
    ids: Sequence[IdRows] = ()


@dataclass(frozen=True, slots=True)
class Twin:
    """A raw value, and another that says the same.

    Args:
        name: of the value's form.
        value: the one.
        other: the other, in the form that is sure to be read right.
        levels: by how many levels of brightness their arrays may differ.
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
    #: Whether it learns from the training rows.
    fits: bool = False
    #: Whether its rows have words, which tasks may label one by one.
    words: bool = False
    #: Whether what :meth:`examine` refuses depends on the options.
    picky: bool = False
    #: A raw value, see :meth:`sample`.
    example: Any = None
    #: The array whose zeros hide positions, without its prefix; "" where every position counts.
    mask: str = ""

    @abstractmethod
    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        """The arrays that its encoder gives, with dynamic dimensions named; no file is needed.

        Raises:
            UsageError: options that say too little, or what cannot be.
        """

    def fit(self, spec: InputSpec, values: Iterable[Any]) -> Mapping[str, bytes]:
        """What it learns from the raw values of the training rows, for kinds with :attr:`fits`.

        Returns:
            Role -> bytes of a file, which :meth:`open` is given and a bundle holds; the same values
            give the same bytes.

        Raises:
            UsageError: values that nothing can be learned from.
        """
        del spec, values
        return {}

    def ids(self, spec: InputSpec, files: Mapping[str, bytes]) -> int | None:
        """How many ids its arrays have because of what was fitted; None: there are none."""
        del spec, files

    def notes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Sequence[str]:
        """What is worth knowing of what was fitted, a line each."""
        del spec, files
        return ()

    def sample(self, spec: InputSpec) -> Any:
        """A raw value, for a model's card."""
        del spec
        return self.example

    def ranges(self, spec: InputSpec) -> Mapping[str, tuple[int, int]]:
        """Smallest and largest size of every dynamic dimension beside the batch."""
        del spec
        return {}

    def open(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        """Make the encoder.  ``files`` holds the bytes of every role in ``spec.files``."""
        encoder = self.encoder(spec, files)
        if not spec.may_be_absent:
            return encoder
        return MayBeAbsent(encoder, spec, self.is_absent, self.nothing(spec))

    def value(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> Any:
        """The raw value in a row of data; None for one that may be absent and is.

        Raises:
            ValueError: a missing column, NaN or a wrong type.  Callers add file and line.
        """
        if self.lacks(spec, row):
            return None
        try:
            return self.raw(spec, row, root)
        except ValueError as error:
            column = spec.columns[0] if len(spec.columns) == 1 else spec.name
            if column == spec.name or "column " in str(error):
                raise
            raise ValueError(f"column {column!r}: {error}") from error

    def lacks(self, spec: InputSpec, row: Mapping[str, Any]) -> bool:
        """Whether a row of data has no such input, and may be without."""
        return spec.may_be_absent and all(self.is_absent(row.get(one)) for one in spec.columns)

    @abstractmethod
    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        """The encoder of values that are there."""

    @abstractmethod
    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> Any:
        """The raw value that is in a row; relative media paths start at the folder ``root``.

        Raises:
            ValueError: a missing column, NaN or a wrong type.  Callers add file and line.
        """

    @abstractmethod
    def nothing(self, spec: InputSpec) -> Any:
        """The raw value that stands where a row lacks the input."""

    def is_absent(self, value: Any) -> bool:
        """Whether a raw value, or a cell of the data, says that there is none."""
        if isinstance(value, float):
            return value != value  # noqa: PLR0124  (NaN)
        return value is None or (isinstance(value, str) and not value)

    def typed(self, text: str) -> Any:
        """The raw value that somebody means who types ``text``; None: none can be typed."""
        del text
        return None

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        """Raw values that ask the preprocessing for all it does; their results become golden."""
        del spec, files
        return Probes({})

    def twins(self, spec: InputSpec, files: Mapping[str, bytes]) -> Iterable[Twin]:
        """Raw values in other forms, which no golden file can hold and no row of a split may have.

        Raises:
            BackendError: what writes such forms is not here.
        """
        del spec, files
        return ()

    def examine(self, spec: InputSpec, value: Any) -> None:
        """Refuse what :meth:`value` gave and no encoder takes, as far as it shows at little cost.

        Most kinds have nothing to add: what they took can be encoded.

        Raises:
            ValueError: as in encoding.  Callers add file and line.
        """
        del spec, value
