"""From what a caller hands to ``predict`` to arrays of a size that the artefact takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError
from kd2edge.inputs.absent import NO_INPUT, first_without_input
from kd2edge.inputs.cell import described, whole_number
from kd2edge.inputs.encoder import Encoder
from kd2edge.inputs.rows import has_length, taken
from kd2edge.inputs.spec import Encoded
from kd2edge.runtime.graph import GraphSpec
from kd2edge.runtime.handed import Columns, are_rows, near, rows_by_input

ArrayDict = dict[str, npt.NDArray[Any]]

# Batches that are sorted by length together, and the rows that they may be: what bounds memory.
_WINDOW = 64
_WINDOW_ROWS = 4096


class Batch(NamedTuple):
    """Some rows, ready for the graph; ``encoded`` is None when the caller handed arrays.

    ``rows`` says which of the caller's rows they are, and nothing may count on their order; it is
    empty for arrays that run as they were handed.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    encoded: Mapping[str, Encoded] | None
    rows: Sequence[int]


@final
class Batches:
    """Checks and encodes inputs, in batches that the artefact takes.  Holds constants only."""

    def __init__(
        self,
        spec: GraphSpec,
        encoders: Mapping[str, Encoder],
        columns: Mapping[str, Columns] | None = None,
    ) -> None:
        self._encoders = encoders
        # Input -> column of the data: how a data frame calls it.
        self._columns = {name: (columns or {}).get(name, name) for name in encoders}
        # Raw values come first: an input may have the name of an array.
        names = {array.name: array for array in spec.inputs}.keys()
        self._arrays = names if names != encoders.keys() else None
        self._first = next(iter(spec.inputs)).name
        #: Rows of the largest batch that the artefact takes; None: any number.
        self.most = spec.limits("batch")[1]
        self._optional = {name for name, one in encoders.items() if one.optional}
        self._long = {name for name, encoder in encoders.items() if has_length(encoder)}

    def of(self, inputs: Mapping[str, Any], batch_size: int | None) -> Iterable[Batch]:
        """The rows of ``inputs`` in batches, none larger than the artefact takes.

        Rows of different lengths are put together with their like, some batches' worth at a time:
        less padding to compute.  Such batches say which rows they are of.

        Args:
            inputs: input name -> raw values, in any form that ``handed`` knows, or every array of
                the graph.
            batch_size: rows a batch; None: all at once, or as many as the artefact takes.

        Raises:
            InputError: names or numbers of rows that cannot be meant, before anything is run; a
                value that cannot be meant, when its batch comes.
        """
        if self.are_arrays(inputs):
            return self._split(inputs, self._size(batch_size))
        inputs = self._listed(inputs)
        rows = self.rows(inputs)
        inputs = self._filled(inputs, rows)
        size = self._size(batch_size) or rows
        if size < rows and size > 1 and self._long:
            return self._by_length(inputs, rows, size)
        return self._encoded(inputs, rows, size)

    def are_arrays(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the caller handed the graph's own arrays instead of raw values."""
        # A data frame has keys too, which no set of names compares with.
        return isinstance(inputs, Mapping) and inputs.keys() == self._arrays

    def too_many(self, arrays: Mapping[str, Any], size: int | None = None) -> bool:
        """Whether arrays have more rows than ``size``, or than the artefact takes (None)."""
        most = size or self.most
        try:
            return most is not None and len(arrays[self._first]) > most
        except TypeError:  # no array at all: the session's check finds the words
            return False

    def rows(self, inputs: Mapping[str, Any]) -> int:
        """Number of rows of raw ``inputs``, once names and lengths hold.

        Raises:
            InputError: an unknown or missing name, no list, no rows, or different lengths.
        """
        for name in inputs:
            if name not in self._encoders:
                raise InputError(
                    f"unknown input {name!r}{near(name, list(self._encoders))}; {self._names()}"
                )
        for name in self._encoders:
            if name not in inputs and (name not in self._optional or not inputs):
                raise InputError(f"input {name!r} is missing; {self._names()}")
        count = _common_count(inputs)
        if count == 0:
            raise InputError("expected at least one row, found an empty list")
        return count

    def encode(self, inputs: Mapping[str, Any]) -> dict[str, Encoded]:
        """Encode all rows at once, padded to the longest."""
        inputs = self._listed(inputs)
        inputs = self._filled(inputs, self.rows(inputs))
        encoded = {name: encoder.encode(inputs[name]) for name, encoder in self._encoders.items()}
        self._require_some_input(encoded, None)
        return encoded

    def _listed(self, inputs: Any) -> Mapping[str, Any]:
        """Input -> rows; what nearly every caller hands over is taken as it is."""
        if type(inputs) is dict and inputs.keys() == self._encoders.keys():
            for values in inputs.values():
                if not are_rows(values):
                    break
            else:
                return inputs
        return rows_by_input(inputs, self._columns, self._optional)

    def _filled(self, inputs: Mapping[str, Any], rows: int) -> Mapping[str, Any]:
        """With None for every row of an input that may be absent and was not handed over."""
        missing = [name for name in self._optional if name not in inputs]
        return {**inputs, **{name: [None] * rows for name in missing}} if missing else inputs

    def _require_some_input(
        self, encoded: Mapping[str, Encoded], rows: Sequence[int] | None
    ) -> None:
        """Refuse a row that has no input at all; ``rows`` says which of the caller's it is."""
        if len(self._optional) < len(self._encoders):
            return
        lacking = first_without_input(encoded.values())
        if lacking is not None:
            row = lacking if rows is None else rows[lacking]
            raise InputError(NO_INPUT, name=", ".join(encoded), row=row)

    def _size(self, asked: int | None) -> int | None:
        if asked is None:
            return self.most
        size = whole("batch_size", asked)
        return size if self.most is None else min(size, self.most)

    def _split(self, arrays: Mapping[str, Any], size: int | None) -> Iterable[Batch]:
        if size is None or not self.too_many(arrays, size):
            return (
                Batch(arrays, None, ()),
            )  # the session's check comes first: who knows what these are
        # The session checks each batch: what is beyond the first array's rows it would never see.
        rows = _common_count(arrays)
        return [
            Batch(
                {name: array[start : start + size] for name, array in arrays.items()},
                None,
                range(start, min(start + size, rows)),
            )
            for start in range(0, rows, size)
        ]

    def _encoded(self, inputs: Mapping[str, Any], rows: int, size: int) -> Iterator[Batch]:
        for start in range(0, rows, size):
            stop = min(start + size, rows)
            encoded = {
                name: _encode(encoder, inputs[name], start, stop, rows)
                for name, encoder in self._encoders.items()
            }
            self._require_some_input(encoded, range(start, stop))
            yield Batch(merged(encoded), encoded, range(start, stop))

    def _by_length(self, inputs: Mapping[str, Any], rows: int, size: int) -> Iterator[Batch]:
        window = size * max(1, min(_WINDOW, _WINDOW_ROWS // size))
        for start in range(0, rows, window):
            stop = min(start + window, rows)
            whole = {
                name: _encode(self._encoders[name], inputs[name], start, stop, rows)
                for name in self._long
            }
            lengths = {name: self._encoders[name].length(one) for name, one in whole.items()}
            # The longest first: what is left over for a smaller batch is short then.
            order = np.argsort(-sum(lengths.values()), kind="stable")
            for at in range(0, len(order), size):
                part = order[at : at + size]
                encoded = {
                    name: taken(
                        whole[name], self._encoders[name], part, int(lengths[name][part].max())
                    )
                    if name in whole
                    else _encode_some(encoder, inputs[name], [start + int(row) for row in part])
                    for name, encoder in self._encoders.items()
                }
                self._require_some_input(encoded, (start + part).tolist())
                yield Batch(merged(encoded), encoded, (start + part).tolist())

    def _names(self) -> str:
        return f"this model takes {', '.join(map(repr, self._encoders))}"


def merged(encoded: Mapping[str, Encoded]) -> ArrayDict:
    """The arrays of every input in one mapping: what a session runs on."""
    if len(encoded) == 1:
        return next(iter(encoded.values())).arrays
    return {name: array for one in encoded.values() for name, array in one.arrays.items()}


def whole(name: str, value: object) -> int:
    """A caller's number, which counts something: a Python or NumPy integer of at least 1.

    Raises:
        InputError: it is anything else.
    """
    number = whole_number(value)
    if number is None:
        raise InputError(f"{name} must be a whole number, found {described(value)}")
    if number < 1:
        raise InputError(f"{name} must be at least 1, found {number}")
    return number


def _encode(encoder: Encoder, values: Sequence[Any], start: int, stop: int, rows: int) -> Encoded:
    if stop - start == rows:
        return encoder.encode(values)
    try:
        return encoder.encode(values[start:stop])
    except InputError as error:  # encoders count from the batch's first row
        if error.row is None:
            raise
        raise InputError(error.reason, name=error.name, row=start + error.row) from error


def _encode_some(encoder: Encoder, values: Sequence[Any], rows: Sequence[int]) -> Encoded:
    try:
        return encoder.encode(_picked(values, rows))
    except InputError as error:
        if error.row is None:
            raise
        raise InputError(error.reason, name=error.name, row=rows[error.row]) from error


def _picked(values: Any, rows: Sequence[int]) -> Any:
    return values[list(rows)] if isinstance(values, np.ndarray) else [values[row] for row in rows]


def _common_count(inputs: Mapping[str, Any]) -> int:
    counts = {name: _count(name, values) for name, values in inputs.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"every input needs the same number of rows, found {counts}")
    return next(iter(counts.values()))


def _count(name: str, values: Any) -> int:
    if are_rows(values):
        return len(values)
    raise InputError(
        f"input {name!r} must be a list or an array with one entry a row,"
        f" found a {type(values).__name__}"
    )
