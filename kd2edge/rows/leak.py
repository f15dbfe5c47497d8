"""Leaks: rows that stand in two splits, and views that leave rows out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import final

import numpy as np
import numpy.typing as npt

from kd2edge.files.fingerprint import fingerprint, fingerprint_bytes
from kd2edge.rows.hashes import Hashes, row_hashes
from kd2edge.rows.rows import Row, Rows, Taken


def leaks(
    rows_by_split: Mapping[str, Rows], columns: Sequence[str], *, pictures: Sequence[str] = ()
) -> dict[tuple[str, str], int]:
    """(split, other) -> how many rows of the other have inputs that also stand in the split.

    Pairs without any are left out.  Case and white space do not count (``row_hash(loose=True)``).
    Rows are told apart by 64-bit hashes: among a million rows a false alarm has a chance of 1 in 10
    million.

    Args:
        rows_by_split: the splits, the one that may hold the others' rows first (train).
        columns: the columns of all inputs.
        pictures: those of them that hold images, see ``row_hashes``.
    """
    hashes = {
        name: row_hashes(rows, columns, loose=True, pictures=pictures)
        for name, rows in rows_by_split.items()
    }
    counts = {
        (split, other): int(np.isin(hashes[other], hashes[split]).sum())
        for split, other in combinations(rows_by_split, 2)
    }
    return {pair: count for pair, count in counts.items() if count}


#: Why a row that repeats an earlier one of its source is left out.
REPEATED = "repeat an earlier one"


def without(
    rows: Rows,
    excluded: Mapping[str, Hashes | Iterable[int]],
    columns: Sequence[str],
    *,
    pictures: Sequence[str] = (),
    duplicates: bool = False,
) -> ChosenRows:
    """A view without the rows whose loose hash is excluded, which counts those for each reason.

    Reads all rows once to hash them.  Use it on the rows of a source, before they are joined.

    Args:
        rows: the rows.
        excluded: reason -> hashes from ``row_hashes(..., loose=True)``, such as those of the
            validation and test rows.  A row counts for the first reason that it has.
        columns: the columns that were hashed.
        pictures: those of them that hold images, as they were hashed.
        duplicates: also leave out rows that repeat an earlier one.
    """
    hashes = row_hashes(rows, columns, loose=True, pictures=pictures)
    keep = np.ones(len(hashes), dtype=np.bool_)
    left_out: dict[str, int] = {}
    for reason, barred in excluded.items():
        out = keep & np.isin(hashes, np.unique(np.fromiter(barred, dtype=np.uint64)))
        left_out[reason] = int(out.sum())
        keep &= ~out
    if duplicates:
        first = np.zeros(len(hashes), dtype=np.bool_)
        first[np.unique(hashes, return_index=True)[1]] = True
        left_out[REPEATED] = int((keep & ~first).sum())
        keep &= first
    counted = {reason: count for reason, count in left_out.items() if count}
    return ChosenRows(rows, np.flatnonzero(keep).astype(np.int64), counted)


@final
class ChosenRows(Rows):
    """Some rows of others, by their positions (8 bytes a row).

    Attributes:
        left_out: reason -> how many of the others are not among them.
    """

    def __init__(
        self,
        rows: Rows,
        positions: npt.NDArray[np.int64],
        left_out: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._rows = rows
        self.left_out = left_out
        self._positions = positions
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, fingerprint_bytes(positions.tobytes())])

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, position: int) -> Row:
        return self._rows[self._inner(position)]

    def place(self, position: int) -> str:
        return self._rows.place(self._inner(position))

    def root_of(self, position: int) -> str:
        return self._rows.root_of(self._inner(position))

    def is_made(self, position: int) -> bool:
        return self._rows.is_made(self._inner(position))

    @property
    def taken(self) -> tuple[Taken, ...]:
        return (Taken(self._rows, self._positions),)

    def _inner(self, position: int) -> int:
        if not 0 <= position < len(self):
            raise IndexError(f"there are {len(self)} rows, asked for row {position}")
        return int(self._positions[position])
