"""Rows as they are: the columns that a teacher's inputs name, read as these inputs read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError, UsageError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.rows.rows import Row

Positions = npt.NDArray[np.int64]


class RawRows(Protocol):
    """What is needed of the rows of a split."""

    def __len__(self) -> int: ...
    def __getitem__(self, position: int) -> Row: ...
    def place(self, position: int) -> str:
        """Where a row stands, for messages."""
        ...

    def root_of(self, position: int) -> str:
        """Folder that relative media paths of a row start at."""
        ...


@final
class Cells:
    """The raw values of some rows, by column.

    A table gives each of its columns: a float, a category's text, None for what is missing.  Any
    other input gives its value under the name of its column: a text, a list of words, the bytes or
    the path of a picture.  Labels are no inputs: no teacher sees them here.

    Args:
        inputs: what the teacher reads; one that is judged as absent reads no columns.
        rows: of a split.
        columns: all that there are; None: those of the inputs.

    Attributes:
        columns: the columns that each row has.
    """

    def __init__(
        self, inputs: Mapping[str, InputSpec], rows: RawRows, columns: Sequence[str] | None = None
    ) -> None:
        self._inputs = inputs
        self._rows = rows
        own = dict.fromkeys(name for one in inputs.values() for name in one.columns)
        self.columns = tuple(own if columns is None else columns)

    def at(self, positions: Positions) -> list[dict[str, Any]]:
        """The columns of the rows at ``positions``.

        Raises:
            DataError: a row that cannot be read (file and line).
        """
        return [self._row(position) for position in positions.tolist()]

    def places(self, positions: Sequence[int] | Positions) -> str:
        """Where some rows stand, for messages: the first and the last."""
        first, last = (self._rows.place(int(positions[at])) for at in (0, -1))
        return first if len(positions) == 1 else f"{len(positions)} rows, {first} to {last}"

    def _row(self, position: int) -> dict[str, Any]:
        row, root = self._rows[position], self._rows.root_of(position)
        found: dict[str, Any] = dict.fromkeys(self.columns)
        for spec in self._inputs.values():
            try:
                value = input_kind(spec.kind).value(spec, row, root)
            except ValueError as error:
                raise DataError(f"{self._rows.place(position)}: {error}") from error
            if isinstance(value, Mapping):
                found |= value
            else:
                found |= dict.fromkeys(spec.columns, value)
        return found


def require_unmoved(view: int) -> None:
    """Refuse a changed version of a row: it exists as arrays alone, not as columns.

    Raises:
        UsageError: such a view.
    """
    if view:
        raise UsageError(
            "a teacher that reads rows as they are cannot see their augmented views: drop augment"
        )
