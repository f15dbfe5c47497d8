"""Columns of entity tags in any scheme, read as IOB2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from kd2edge.bundle.fingerprint import fingerprint
from kd2edge.errors import DataError
from kd2edge.inputs.cell import listed
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.schemes import as_iob2


@final
class TagRows(Rows):
    """Rows whose columns of tags are IOB2, whatever they are in the file.

    Args:
        rows: the rows.
        schemes: column -> the scheme that it is written in, a name in ``tasks.schemes.SCHEMES``.
    """

    def __init__(self, rows: Rows, schemes: Mapping[str, str]) -> None:
        self._rows = rows
        self._schemes = dict(schemes)
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, "iob2", self._schemes])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        return self._read(position, self._rows[position])

    def __iter__(self) -> Iterator[Row]:
        for position, row in enumerate(self._rows):
            yield self._read(position, row)

    def place(self, position: int) -> str:
        return self._rows.place(position)

    def root_of(self, position: int) -> str:
        return self._rows.root_of(position)

    def _read(self, position: int, row: Row) -> Row:
        there = (column for column in self._schemes if column in row)
        return {**row, **{column: self._tags(position, column, row[column]) for column in there}}

    def _tags(self, position: int, column: str, value: Any) -> Any:
        labels = listed(value)
        if labels is None:
            return value  # no list: for the task to refuse
        try:
            return as_iob2(labels, self._schemes[column])
        except ValueError as error:
            raise DataError(f"{self.place(position)}: column {column!r}: {error}") from error
