"""Rows with columns that are made from their own when a row is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, final

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.rows.rows import Row, Rows


@final
class ChangedRows(Rows):
    """Rows with some columns made anew, which stand beside the others or in their place.

    Args:
        rows: the rows.
        make: from a row to these columns; a ``ValueError`` says what is wrong with it.
        rule: JSON values that say what ``make`` does: rows that another rule made are other rows.

    Raises:
        DataError: when a row is read that ``make`` refuses, with its place.
    """

    def __init__(self, rows: Rows, make: Callable[[Row], Mapping[str, Any]], *rule: Any) -> None:
        self._rows = rows
        self._make = make
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, *rule])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        return self._changed(position, self._rows[position])

    def __iter__(self) -> Iterator[Row]:
        for position, row in enumerate(self._rows):
            yield self._changed(position, row)

    def place(self, position: int) -> str:
        return self._rows.place(position)

    def root_of(self, position: int) -> str:
        return self._rows.root_of(position)

    def is_made(self, position: int) -> bool:
        return self._rows.is_made(position)

    def _changed(self, position: int, row: Row) -> Row:
        try:
            return {**row, **self._make(row)}
        except ValueError as error:
            raise DataError(f"{self.place(position)}: {error}") from error
