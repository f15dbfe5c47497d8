"""Rows of a table made of near ones, for teachers to label."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.table_cells import category, number, numbers
from kd2edge.rows.hashes import readable
from kd2edge.rows.made.maker import Maker, Making
from kd2edge.rows.made.neighbours import neighbours
from kd2edge.rows.rows import Row, Rows

Cells = Sequence[Any]

#: Rows whose cells are read as one column.
_READ = 4096
_MISSING = 0


@final
class Munge(Maker):
    """Rows on the way to their nearest neighbours: MUNGE (Bucila et al. 2006, algorithm 1).

    Each cell of a row is changed with probability p (``share``).  A category becomes the
    neighbour's; a number is drawn from a normal distribution around the neighbour's whose
    standard deviation is their difference over s (``local_variance``).  What is missing in one of
    both is taken from the neighbour as it is.  The paper exchanges both rows' values and goes on
    with what it made; here each row is made by itself, a function of the rows and its chance.  A
    number stays within the range of its column, and whole where all of it are.

    Reads all rows once and keeps 8 bytes of each cell.  Neighbours: see :func:`neighbours`.
    """

    rule = 1
    changes = "cells"

    def __init__(self, rows: Rows, how: Making) -> None:
        self._rows = rows
        self._share, self._s = how.options["share"], how.options["local_variance"]
        self._numeric = [_Numbers(name, len(rows)) for name in how.numeric]
        self._categorical = [_Categories(name, len(rows)) for name in how.categorical]
        columns = [*how.numeric, *how.categorical]
        for start, block in _blocks(readable(rows, columns)):
            for column in (*self._numeric, *self._categorical):
                column.read(start, [row.get(column.name) for row in block])
        self._near = neighbours(
            _side_by_side([one.values for one in self._numeric], len(rows)),
            _side_by_side([one.codes for one in self._categorical], len(rows)),
            np.random.default_rng(how.seed),
        )

    def make(self, position: int, random: np.random.Generator) -> Row:
        row = self._rows[position]
        near = int(self._near[position])
        drawn = random.standard_normal(len(self._numeric)) / self._s
        changed = random.random(len(self._numeric) + len(self._categorical)) < self._share
        made = dict(row)
        for column, noise, one in zip(self._numeric, drawn, changed, strict=False):
            if one and column.name in row:
                made[column.name] = column.made(row[column.name], position, near, float(noise))
        for column, one in zip(self._categorical, changed[len(self._numeric) :], strict=True):
            if one and column.name in row:
                made[column.name] = column.made(row[column.name], position, near)
        return made


@final
class _Numbers:
    """A column of numbers ``[row]``, NaN where there is none, and how its cells are written."""

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.values = np.full(rows, np.nan)
        self._types: set[type] = set()
        self._ends: tuple[float, float, bool] | None = None

    def read(self, start: int, cells: Cells) -> None:
        self._types |= set(map(type, cells))
        try:
            found = numbers(cells)
        except ValueError:  # one is no number, which the walk over the rows names
            found = [np.nan if one is None else one for one in _each(cells, number)]
        self.values[start : start + len(cells)] = found

    def made(self, cell: Any, own: int, near: int, noise: float) -> Any:
        mine, other = self.values[own], self.values[near]
        if mine == other or (np.isnan(mine) and _is_wrong(cell, number)):
            return cell
        if np.isnan(other):
            return None
        apart = 0.0 if np.isnan(mine) else abs(mine - other)
        low, high, whole = self._range()
        value = float(np.clip(other + noise * apart, low, high))
        value = float(round(value)) if whole else value
        # As the file writes them: a row that another one says is then found to be the same.
        if str in self._types:
            return f"{value:.0f}" if whole else repr(value)
        return int(value) if self._types <= {int, type(None)} else value

    def _range(self) -> tuple[float, float, bool]:
        """Smallest and largest number, and whether all are whole."""
        if self._ends is None:
            there = self.values[~np.isnan(self.values)]
            whole = bool((there == np.floor(there)).all())
            self._ends = float(there.min()), float(there.max()), whole
        return self._ends


@final
class _Categories:
    """A column of categories ``[row]``, by the order in which they were met."""

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.codes = np.zeros(rows, np.int64)
        self._known: dict[str | None, int] = {None: _MISSING}
        self._cells: list[Any] = [None]  # as a first row writes each

    def read(self, start: int, cells: Cells) -> None:
        for at, (cell, name) in enumerate(zip(cells, _each(cells, category), strict=True)):
            if name not in self._known:
                self._known[name] = len(self._cells)
                self._cells.append(cell)
            self.codes[start + at] = self._known[name]

    def made(self, cell: Any, own: int, near: int) -> Any:
        mine, other = int(self.codes[own]), int(self.codes[near])
        if mine == other or (mine == _MISSING and _is_wrong(cell, category)):
            return cell
        return self._cells[other]


def _each(cells: Cells, read: Callable[[Any], Any]) -> Iterator[Any]:
    """Cells one by one; None where one cannot be read."""
    for cell in cells:
        try:
            yield read(cell)
        except ValueError:
            yield None


def _is_wrong(cell: Any, read: Callable[[Any], Any]) -> bool:
    """Whether a cell that counts as missing has something else in it."""
    try:
        read(cell)
    except ValueError:
        return True
    return False


def _blocks(rows: Iterator[Row]) -> Iterator[tuple[int, list[Row]]]:
    start = 0
    while block := list(islice(rows, _READ)):
        yield start, block
        start += len(block)


def _side_by_side(columns: Sequence[npt.NDArray[Any]], rows: int) -> npt.NDArray[Any]:
    return np.stack(columns, axis=1) if columns else np.zeros((rows, 0), np.int64)
