"""Rows that a maker makes of others when they are asked for."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import final

import numpy as np

from kd2edge.files.fingerprint import fingerprint
from kd2edge.rows.made import MAKERS
from kd2edge.rows.made.maker import Maker, Making
from kd2edge.rows.rows import Row, Rows


@final
class MadeRows(Rows):
    """``copies`` variants of every row; columns that the maker does not change stay as they are.

    A variant is a function of (seed, position) and of the rows: every process makes the same.  What
    it says is for a teacher to tell: the row's own labels no longer hold.

    Args:
        rows: the rows that they are made of.
        how: maker, columns and options.
    """

    def __init__(self, rows: Rows, how: Making) -> None:
        self._rows = rows
        self._how = how
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, asdict(how), MAKERS[how.kind].rule])

    def __len__(self) -> int:
        return len(self._rows) * self._how.copies

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(f"{position}: there are {len(self)} rows")
        random = np.random.default_rng([self._how.seed, position])
        return self._maker.make(position % len(self._rows), random)

    def place(self, position: int) -> str:
        return f"{self._rows.place(position % len(self._rows))} ({self._how.kind})"

    def root_of(self, position: int) -> str:
        return self._rows.root_of(position % len(self._rows))

    def is_made(self, position: int) -> bool:
        del position
        return True

    @cached_property
    def _maker(self) -> Maker:
        return MAKERS[self._how.kind](self._rows, self._how)
