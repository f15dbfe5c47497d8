"""Columns: one value a row, or several.  What rows look like from disk to decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


class Ragged(NamedTuple):
    """Values of unequal length a row: row ``i`` is ``values[offsets[i]:offsets[i + 1]]``."""

    values: npt.NDArray[Any]  # [sum of lengths, ...]
    offsets: Ints  # [row + 1]

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Ints:
        """How many values each row has, ``[row]``."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> Ints:
        """The row of every value, ``[sum of lengths]``."""
        return np.repeat(np.arange(self.rows), self.lengths)

    @property
    def places(self) -> Ints:
        """The place of every value in its row, ``[sum of lengths]``."""
        return np.arange(int(self.offsets[-1])) - np.repeat(self.offsets[:-1], self.lengths)

    def row(self, index: int) -> npt.NDArray[Any]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


#: ``[row, ...]``, or ragged.
Column = npt.NDArray[Any] | Ragged
#: What goes in comes out: an array, or ragged.
AnyColumn = TypeVar("AnyColumn", bound=Column)


def offsets_of(lengths: npt.NDArray[Any]) -> Ints:
    """Where each row begins, ``[row + 1]``, when rows of these lengths follow one another."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])


def ranges(begins: Ints, lengths: Ints) -> Ints:
    """The numbers ``begin .. begin + length`` of every pair, one pair after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(total)


def concatenated(columns: Sequence[AnyColumn]) -> AnyColumn:
    """Columns of one field, one after the other: all arrays, or all ragged."""
    if not isinstance(columns[0], Ragged):
        return cast("AnyColumn", np.concatenate(cast("Sequence[npt.NDArray[Any]]", columns)))
    ragged = cast("Sequence[Ragged]", columns)
    lengths = np.concatenate([column.lengths for column in ragged])
    values = np.concatenate([column.values for column in ragged])
    return cast("AnyColumn", Ragged(values, offsets_of(lengths)))


def taken(column: AnyColumn, rows: Ints) -> AnyColumn:
    """Some rows of a column, in the order of ``rows``: row ``i`` is the one at ``rows[i]``."""
    if not isinstance(column, Ragged):
        return cast("AnyColumn", column[rows])
    lengths = column.lengths[rows]
    values = column.values[ranges(column.offsets[:-1][rows], lengths)]
    return cast("AnyColumn", Ragged(values, offsets_of(lengths)))


def first(column: AnyColumn, count: int) -> AnyColumn:
    """The first ``count`` rows of a column."""
    if not isinstance(column, Ragged):
        return cast("AnyColumn", column[:count])
    offsets = column.offsets[: count + 1]
    return cast("AnyColumn", Ragged(column.values[: offsets[-1]], offsets))


def listed(value: Any) -> list[Any] | None:
    """The items of a list, tuple or array; None for anything else."""
    if isinstance(value, np.ndarray):
        return cast("npt.NDArray[Any]", value).tolist() if value.ndim else None
    return list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else None
