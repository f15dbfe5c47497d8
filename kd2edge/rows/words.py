"""Columns of words made from columns of text, for texts that nobody cut."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kd2edge.inputs.cell import described
from kd2edge.inputs.words import words_of
from kd2edge.rows.changed import ChangedRows
from kd2edge.rows.rows import Row, Rows

#: Of the rule: rows that an older one cut are encoded anew.
_RULE = 2


def cut_rows(rows: Rows, words: Mapping[str, str]) -> Rows:
    """Rows with columns of words beside their own: text cut at blanks and around punctuation.

    The rule is that of :func:`words_of`, and of ``predict --text``.  It cuts "don't" into three
    words, where a treebank has two: good enough for teachers to speak about, no match for labels a
    word.

    Args:
        rows: the rows.
        words: new column -> the column of text that is cut.
    """
    return ChangedRows(rows, partial(_cut, dict(words)), dict(words), _RULE)


def _cut(words: Mapping[str, str], row: Row) -> dict[str, Any]:
    return {new: _words(row[old], old) for new, old in words.items() if old in row}


def _words(text: Any, column: str) -> list[str] | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError(
            f"column {column!r}: expected text to cut into words, found {described(text)}"
        )
    return words_of(text)
