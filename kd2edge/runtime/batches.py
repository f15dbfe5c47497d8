"""From what a caller hands to ``predict`` to arrays of a size that the artefact takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import ArraySpec, Encoded
from kd2edge.runtime.graph import GraphSpec

ArrayDict = dict[str, npt.NDArray[Any]]


class Batch(NamedTuple):
    """Some rows, ready for the graph; ``encoded`` is None when the caller handed arrays."""

    arrays: Mapping[str, npt.NDArray[Any]]
    encoded: Mapping[str, Encoded] | None


@final
class Batches:
    """Checks and encodes inputs, in batches that the artefact takes.  Holds constants only."""

    def __init__(self, spec: GraphSpec, encoders: Mapping[str, Encoder]) -> None:
        self._encoders = encoders
        self._arrays = {array.name for array in spec.inputs}
        self._first = next(iter(spec.inputs)).name
        self.smallest, self.largest = spec.limits("batch")
        self._length = spec.limits("length")[0]
        self._specs = {array.name: array for array in spec.inputs}
        #: Whether :meth:`fitted` ever has something to do (not when sizes start at 1).
        self.pads = self.smallest > 1 or self._length > 1

    def of(self, inputs: Mapping[str, Any], batch_size: int | None) -> Iterator[Batch]:
        """The rows of ``inputs`` in batches; a last batch below ``smallest`` is not padded yet.

        Args:
            inputs: input name -> raw values (list, tuple or array), or every array of the graph.
            batch_size: rows a batch; None: all at once, or as many as the artefact takes.

        Raises:
            InputError: names, types or lengths that cannot be meant; before anything is run.
        """
        if self.are_arrays(inputs):
            return self._split(inputs, self._size(batch_size))
        rows = self.rows(inputs)
        return self._encoded(inputs, rows, self._size(batch_size) or rows)

    def are_arrays(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the caller handed the graph's own arrays instead of raw values."""
        return (
            isinstance(inputs, Mapping)
            and inputs.keys() == self._arrays
            and inputs.keys() != self._encoders.keys()
        )

    def rows(self, inputs: Mapping[str, Any]) -> int:
        """Number of rows of raw ``inputs``, once names and lengths hold.

        Raises:
            InputError: an unknown or missing name, no list, no rows, or different lengths.
        """
        if not isinstance(inputs, Mapping):
            raise InputError(f"expected {self._shape()}, found a {type(inputs).__name__}")
        for name in inputs:
            if name not in self._encoders:
                raise InputError(
                    f"unknown input {name!r}{_near(name, self._encoders)}; {self._names()}"
                )
        for name in self._encoders:
            if name not in inputs:
                raise InputError(f"input {name!r} is missing; {self._names()}")
        counts = {name: _count(name, values) for name, values in inputs.items()}
        if len(set(counts.values())) > 1:
            raise InputError(f"every input needs the same number of rows, found {counts}")
        count = next(iter(counts.values()))
        if count == 0:
            raise InputError("expected at least one row, found an empty list")
        return count

    def encode(self, inputs: Mapping[str, Any]) -> dict[str, Encoded]:
        """Encode all rows at once, padded to the longest."""
        self.rows(inputs)
        return {name: encoder.encode(inputs[name]) for name, encoder in self._encoders.items()}

    def fitted(self, arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[ArrayDict, int]:
        """``arrays`` padded up to the artefact's smallest batch and length, and the real row count.

        Rows are padded with the last row (always a valid one), lengths with zeros (masked away).
        """
        rows = len(arrays[self._first])
        return {
            name: self._padded(self._specs[name], array) for name, array in arrays.items()
        }, rows

    def _padded(self, spec: ArraySpec, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(array) < self.smallest:
            array = np.concatenate(
                [array, np.repeat(array[-1:], self.smallest - len(array), axis=0)]
            )
        missing = [
            (0, max(0, self._length - size) if wanted == "length" else 0)
            for wanted, size in zip(spec.shape, array.shape)  # noqa: B905  (ranks are checked by the session)
        ]
        return np.pad(array, missing) if any(after for _, after in missing) else array

    def _size(self, asked: int | None) -> int | None:
        if asked is not None and asked < 1:
            raise InputError(f"batch_size must be at least 1, found {asked}")
        sizes = [size for size in (asked, self.largest) if size is not None]
        return min(sizes) if sizes else None

    def _split(self, arrays: Mapping[str, Any], size: int | None) -> Iterator[Batch]:
        try:
            rows = len(arrays[self._first])
        except TypeError:  # no array at all: the session's check finds the words
            rows = 0
        if size is None or rows <= size:
            yield Batch(arrays, None)
            return
        for start in range(0, rows, size):
            yield Batch({name: array[start : start + size] for name, array in arrays.items()}, None)

    def _encoded(self, inputs: Mapping[str, Any], rows: int, size: int) -> Iterator[Batch]:
        for start in range(0, rows, size):
            encoded = {
                name: _encode(encoder, inputs[name], start, min(start + size, rows), rows)
                for name, encoder in self._encoders.items()
            }
            yield Batch(merged(encoded), encoded)

    def _shape(self) -> str:
        return "{" + ", ".join(f"{name!r}: [...]" for name in self._encoders) + "}"

    def _names(self) -> str:
        return f"this model takes {', '.join(map(repr, self._encoders))}"


def merged(encoded: Mapping[str, Encoded]) -> ArrayDict:
    """The arrays of every input in one mapping: what a session runs on."""
    if len(encoded) == 1:
        return next(iter(encoded.values())).arrays
    return {name: array for one in encoded.values() for name, array in one.arrays.items()}


def _encode(encoder: Encoder, values: Sequence[Any], start: int, stop: int, rows: int) -> Encoded:
    if stop - start == rows:
        return encoder.encode(values)
    try:
        return encoder.encode(values[start:stop])
    except InputError as error:  # encoders count from the batch's first row
        raise InputError(f"{error} (counted from row {start})") from error


def _count(name: str, values: object) -> int:
    # A string is a sequence too, of letters: the classic mistake.
    if isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim > 0):
        return len(values)
    hint = f"; write [{values!r:.40}]" if isinstance(values, str) else ""
    raise InputError(
        f"input {name!r} must be a list or an array with one entry a row,"
        f" found a {type(values).__name__}{hint}"
    )


def _near(name: object, known: Mapping[str, Any]) -> str:
    from difflib import get_close_matches  # only a caller's slip needs it

    near = get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
