"""Columns of words made from columns of text, for texts that nobody cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, final

from kd2edge.bundle.fingerprint import fingerprint
from kd2edge.errors import DataError
from kd2edge.inputs.cell import described
from kd2edge.inputs.words import words_of
from kd2edge.rows.rows import Row, Rows

#: Of the rule: rows that an older one cut are encoded anew.
_RULE = 2


@final
class CutRows(Rows):
    """Rows with columns of words beside their own: text cut at blanks and around punctuation.

    The rule is that of :func:`words_of`, and of ``predict --text``.  It cuts "don't" into three
    words, where a treebank has two: good enough for teachers to speak about, no match for labels a
    word.

    Args:
        rows: the rows.
        words: new column -> the column of text that is cut.
    """

    def __init__(self, rows: Rows, words: Mapping[str, str]) -> None:
        self._rows = rows
        self._words = dict(words)
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, self._words, _RULE])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        return self._with_words(position, self._rows[position])

    def __iter__(self) -> Iterator[Row]:
        for position, row in enumerate(self._rows):
            yield self._with_words(position, row)

    def place(self, position: int) -> str:
        return self._rows.place(position)

    def root_of(self, position: int) -> str:
        return self._rows.root_of(position)

    def _with_words(self, position: int, row: Row) -> Row:
        made = {new: self._of(position, row, old) for new, old in self._words.items() if old in row}
        return {**row, **made}

    def _of(self, position: int, row: Row, column: str) -> Any:
        text = row[column]
        if text is None:
            return None
        if not isinstance(text, str):
            raise DataError(
                f"{self.place(position)}: column {column!r}: expected text to cut into words,"
                f" found {described(text)}"
            )
        return words_of(text)
