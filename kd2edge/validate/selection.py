"""Joining decoded batches and picking rows of them, for flat and ragged values alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.spec import Decoded, Ragged, Truth

__all__ = ["concatenated", "decoded_rows", "joined", "rows_of", "stacked", "truth_rows"]

Values = npt.NDArray[Any] | Ragged
Indices = npt.NDArray[np.int64]


def stacked(parts: Sequence[Values]) -> Any:
    """Batches of values as one: ``[row, ...]``, or ragged over all rows."""
    first = parts[0]
    if not isinstance(first, Ragged):
        return np.concatenate([np.asarray(part) for part in parts])
    ragged = [part for part in parts if isinstance(part, Ragged)]
    lengths = np.concatenate([np.diff(part.offsets) for part in ragged])
    return Ragged(np.concatenate([part.values for part in ragged]), _offsets(lengths))


def concatenated(parts: Sequence[Decoded]) -> Decoded:
    """Decoded batches as one."""
    return Decoded(
        stacked([part.labels for part in parts]), stacked([part.scores for part in parts])
    )


def rows_of(values: Values, rows: Indices) -> Any:
    """The values of some rows, in the order of ``rows``."""
    if not isinstance(values, Ragged):
        return values[rows]
    lengths = np.diff(values.offsets)[rows]
    offsets = _offsets(lengths)
    # Position of every word: its row's start, plus its place within the row.
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return Ragged(values.values[np.repeat(values.offsets[rows], lengths) + within], offsets)


def decoded_rows(decoded: Decoded, rows: Indices) -> Decoded:
    """Some rows of a decoded output."""
    return Decoded(rows_of(decoded.labels, rows), rows_of(decoded.scores, rows))


def truth_rows(truth: Truth, rows: Indices) -> Truth:
    """Some rows of the truth."""
    return Truth(rows_of(truth.labels, rows))


def joined(first: Decoded, first_rows: Indices, second: Decoded, second_rows: Indices) -> Decoded:
    """Two decoded outputs woven into one: row ``first_rows[i]`` of it is row i of ``first``."""
    order = np.argsort(np.concatenate([first_rows, second_rows]), kind="stable")
    return decoded_rows(concatenated([first, second]), order)


def _offsets(lengths: npt.NDArray[Any]) -> Indices:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
