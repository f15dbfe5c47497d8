"""Rows as they are where none of them has one of their inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import numpy.typing as npt

from kd2edge.files.fingerprint import fingerprint, fingerprint_bytes
from kd2edge.inputs.absent import own_columns, without
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.rows.join import JoinedRows
from kd2edge.rows.rows import Row, Rows

__all__ = ["LackingRows", "have_some_input", "lacking"]

Positions = npt.NDArray[np.int64]


@final
class LackingRows(Rows):
    """Some rows of others, with nothing in some columns.

    Attributes:
        positions: ``[row]`` where each stands among the others.
        columns: those that hold nothing.
    """

    def __init__(self, rows: Rows, positions: Positions, columns: Sequence[str]) -> None:
        self._rows = rows
        self.positions = positions
        self.columns = tuple(columns)
        self._nothing = dict.fromkeys(self.columns)
        self.root = rows.root
        chosen = fingerprint_bytes(positions.tobytes())
        self.fingerprint = fingerprint([rows.fingerprint, chosen, list(self.columns)])

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, position: int) -> Row:
        return {**self._rows[self._inner(position)], **self._nothing}

    def place(self, position: int) -> str:
        return self._rows.place(self._inner(position))

    def root_of(self, position: int) -> str:
        return self._rows.root_of(self._inner(position))

    def is_made(self, position: int) -> bool:
        return self._rows.is_made(self._inner(position))

    def tasks_of(self, position: int) -> tuple[str, ...]:
        """The tasks whose labels count in a row; of rows that nobody joined none is known."""
        joined = self._rows
        return joined.tasks_of(self._inner(position)) if isinstance(joined, JoinedRows) else ()

    def _inner(self, position: int) -> int:
        if not 0 <= position < len(self):
            raise IndexError(f"there are {len(self)} rows, asked for row {position}")
        return int(self.positions[position])


def lacking(rows: Rows, inputs: Mapping[str, InputSpec], name: str) -> LackingRows:
    """Rows where none has the input ``name``; those that have no other one are left out.

    A column that another input reads as well keeps what it holds: read by ``absent.without``, the
    rows lack the input all the same.
    """
    left = have_some_input(rows, without(inputs, name))
    return LackingRows(rows, np.flatnonzero(left).astype(np.int64), own_columns(inputs, name))


def have_some_input(rows: Rows, inputs: Mapping[str, InputSpec]) -> npt.NDArray[np.bool_]:
    """Which rows have at least one of the inputs ``[row]``."""
    if not all(spec.may_be_absent for spec in inputs.values()):
        return np.ones(len(rows), np.bool_)
    kinds = [(input_kind(spec.kind), spec) for spec in inputs.values()]
    found = (not all(kind.lacks(spec, row) for kind, spec in kinds) for row in rows)
    return np.fromiter(found, np.bool_, count=len(rows))
