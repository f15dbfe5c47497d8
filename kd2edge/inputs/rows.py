"""Some rows of an encoded batch, as if they had been encoded alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, final, overload

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import ArraySpec, Encoded, WordStarts

__all__ = ["has_length", "shortened", "taken"]

Item = TypeVar("Item")
Ints = npt.NDArray[np.int64]


def has_length(encoder: Encoder) -> bool:
    """Whether its rows may be of different lengths, so that a batch pads them."""
    return any(array.dynamic for array in encoder.arrays)


def taken(encoded: Encoded, encoder: Encoder, rows: Ints, longest: int) -> Encoded:
    """Rows of a batch, padded to the longest of them.

    Args:
        encoded: the batch.
        encoder: what made it.
        rows: ``[row]`` positions in it.
        longest: length of the longest of them, as ``encoder.length`` says.
    """
    shapes = {array.name: array for array in encoder.arrays}
    arrays = {
        name: _cut(array[rows], shapes[name], longest) for name, array in encoded.arrays.items()
    }
    starts = None if encoded.word_starts is None else _starts(encoded.word_starts, rows)
    words = None if encoded.words is None else _Picked(encoded.words, rows.tolist())
    present = None if encoded.present is None else encoded.present[rows]
    size = None if encoded.size is None else encoded.size[rows]
    lengths = None if encoded.lengths is None else encoded.lengths[rows]
    return Encoded(arrays, starts, words, present, size, lengths)


def shortened(array: npt.NDArray[Any], spec: ArraySpec, longest: int) -> npt.NDArray[Any]:
    """``array`` with at most ``longest`` positions in every dynamic dimension."""
    axes = spec.dynamic.values()
    kept = (slice(longest) if at in axes else slice(None) for at in range(array.ndim))
    return array[tuple(kept)]


def _cut(array: npt.NDArray[Any], spec: ArraySpec, longest: int) -> npt.NDArray[Any]:
    return np.ascontiguousarray(shortened(array, spec, longest)) if spec.dynamic else array


def _starts(starts: WordStarts, rows: Ints) -> WordStarts:
    counts: Ints = np.diff(starts.offsets)[rows]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    # A row's words follow one another: how far its first one has to move is true of all of them.
    moved = np.repeat(starts.offsets[rows] - offsets[:-1], counts)
    return WordStarts(starts.values[np.arange(len(moved)) + moved], offsets)


@final
class _Picked(Sequence[Item]):
    """Some items of a sequence that may make them only when asked for."""

    def __init__(self, items: Sequence[Item], places: Sequence[int]) -> None:
        self._items = items
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return _Picked(self._items, self._places[index])
        return self._items[self._places[index]]
