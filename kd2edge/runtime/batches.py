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
# Nobody says how many rows a batch has: a call of so many is parted by length where that saves a
# share of the positions that are computed.  A part has so many positions, and rows: below that the
# engine's own time for a pass is more than padding costs (benchmarks/lengths.py).
_PARTED_ROWS = 16
_SAVED = 0.25
_PART_POSITIONS, _PART_ROWS = 512, 8


class Batch(NamedTuple):
    """Some rows, ready for the graph; ``encoded`` is None when the caller handed arrays.

    ``rows`` says which of the caller's rows they are, and nothing may count on their order; it is
    empty for arrays that run as they were handed.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    encoded: Mapping[str, Encoded] | None
    rows: Sequence[int]


class _Long(NamedTuple):
    """A window of rows, encoded as far as they have lengths.

    Args:
        start: the first of them among the caller's rows.
        encoded: by input that has lengths.
        lengths_of: likewise ``[row]``.
    """

    start: int
    encoded: Mapping[str, Encoded]
    lengths_of: Mapping[str, npt.NDArray[np.int64]]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Of all inputs together ``[row]``."""
        return np.sum(list(self.lengths_of.values()), axis=0)


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
            batch_size: rows a batch; None: all at once where they are of one length or few, or as
                many as the artefact takes.

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
        if batch_size is None and size >= rows >= _PARTED_ROWS and self._long:
            return self._parted(inputs, rows)
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
            long = self._long_rows(inputs, start, min(start + window, rows), rows)
            # The longest first: what is left over for a smaller batch is short then.
            order = np.argsort(-long.lengths, kind="stable")
            for at in range(0, len(order), size):
                yield self._part(inputs, long, order[at : at + size])

    def _parted(self, inputs: Mapping[str, Any], rows: int) -> Iterator[Batch]:
        long = self._long_rows(inputs, 0, rows, rows)
        parts = parts_by_length(long.lengths)
        if len(parts) > 1:
            for part in parts:
                yield self._part(inputs, long, part)
            return
        encoded = {
            name: long.encoded[name] if name in long.encoded else encoder.encode(inputs[name])
            for name, encoder in self._encoders.items()
        }
        self._require_some_input(encoded, range(rows))
        yield Batch(merged(encoded), encoded, range(rows))

    def _long_rows(self, inputs: Mapping[str, Any], start: int, stop: int, rows: int) -> _Long:
        encoded: dict[str, Encoded] = {}
        lengths: dict[str, npt.NDArray[np.int64]] = {}
        for name, encoder in self._encoders.items():
            if name in self._long:
                encoded[name] = _encode(encoder, inputs[name], start, stop, rows)
                lengths[name] = encoder.length(encoded[name])
        return _Long(start, encoded, lengths)

    def _part(self, inputs: Mapping[str, Any], long: _Long, part: npt.NDArray[np.int64]) -> Batch:
        """Some rows as a batch.

        Args:
            inputs: all rows of the call.
            long: those of a window, encoded as far as they have lengths.
            part: positions in the window.
        """
        rows = (long.start + part).tolist()
        encoded: dict[str, Encoded] = {}
        for name, encoder in self._encoders.items():
            if name not in long.encoded:
                encoded[name] = _encode_some(encoder, inputs[name], rows)
            else:
                longest = int(long.lengths_of[name][part].max())
                encoded[name] = taken(long.encoded[name], encoder, part, longest)
        self._require_some_input(encoded, rows)
        return Batch(merged(encoded), encoded, rows)

    def _names(self) -> str:
        return f"this model takes {', '.join(map(repr, self._encoders))}"


def parts_by_length(lengths: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Which rows of a call run together, the longest first; one part where parting saves little.

    Args:
        lengths: ``[row]`` positions of each.
    """
    order = np.argsort(-lengths, kind="stable")
    parts: list[npt.NDArray[np.int64]] = []
    at = padded = 0
    while at < len(order):
        longest = max(int(lengths[order[at]]), 1)
        size = max(-(-_PART_POSITIONS // longest), _PART_ROWS)
        # What is left over is no part of its own where it is less than half of one.
        left = len(order) - at - size
        stop = at + size if left >= max(size // 2, _PART_ROWS) else len(order)
        parts.append(order[at:stop])
        padded += longest * (stop - at)
        at = stop
    whole = max(int(lengths.max(initial=0)), 1) * len(order)
    return parts if padded <= (1 - _SAVED) * whole else [order]


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
