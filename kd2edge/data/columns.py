"""Columns: one value a row, or several.  What rows look like between disk and batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.spec import Ragged

Column = npt.NDArray[Any] | Ragged
Ints = npt.NDArray[np.int64]


def offsets_of(lengths: npt.NDArray[Any]) -> Ints:
    """Where each row begins, ``[row + 1]``, when rows of these lengths follow one another."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def ranges(begins: Ints, lengths: Ints) -> Ints:
    """The numbers ``begin .. begin + length`` of every pair, one pair after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(total)


def concatenated(columns: Sequence[Column]) -> Column:
    """Columns of one field, one after the other."""
    ragged = [column for column in columns if isinstance(column, Ragged)]
    if not ragged:
        return np.concatenate([column for column in columns if not isinstance(column, Ragged)])
    lengths = np.concatenate([np.diff(column.offsets) for column in ragged])
    return Ragged(np.concatenate([column.values for column in ragged]), offsets_of(lengths))


def reordered(column: Column, order: Ints) -> Column:
    """The rows of a column in another order: row ``i`` is the one that was at ``order[i]``."""
    if not isinstance(column, Ragged):
        return column[order]
    lengths = np.diff(column.offsets)[order]
    return Ragged(column.values[ranges(column.offsets[:-1][order], lengths)], offsets_of(lengths))
