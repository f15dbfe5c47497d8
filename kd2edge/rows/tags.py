"""Columns of entity tags in any scheme, read as IOB2."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kd2edge.ragged import listed
from kd2edge.rows.changed import ChangedRows
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.schemes import as_iob2


def tag_rows(rows: Rows, schemes: Mapping[str, str]) -> Rows:
    """Rows whose columns of tags are IOB2, whatever they are in the file.

    Args:
        rows: the rows.
        schemes: column -> the scheme that it is written in, a name in ``tasks.schemes.SCHEMES``.
    """
    return ChangedRows(rows, partial(_read, dict(schemes)), "iob2", dict(schemes))


def _read(schemes: Mapping[str, str], row: Row) -> dict[str, Any]:
    there = (column for column in schemes if column in row)
    return {column: _tags(row[column], column, schemes[column]) for column in there}


def _tags(value: Any, column: str, scheme: str) -> Any:
    labels = listed(value)
    if labels is None:
        return value  # no list: for the task to refuse
    try:
        return as_iob2(labels, scheme)
    except ValueError as error:
        raise ValueError(f"column {column!r}: {error}") from error
