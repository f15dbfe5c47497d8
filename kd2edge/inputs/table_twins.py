"""Rows of a table in the forms that callers have them in, beside the row that says the same.

Rows of a split come from one file, so that they all have one form.  Data frames turn whole numbers
into fractions beside empty cells, files hold text, and nobody promises an order of columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from kd2edge.inputs.kind import Twin

__all__ = ["table_twins"]

Row = Mapping[str, Any]

#: Types that a whole number may have, and what messages call them.
_WHOLE: Mapping[str, Callable[[int], Any]] = {
    "whole numbers": int,
    "numbers with a point": float,
    "NumPy's whole numbers": np.int64,
    "NumPy's numbers with a point": np.float64,
}
#: What stands in a cell without anything in it.
_NOTHING = {"NaN": float("nan"), "NumPy's NaN": np.float64("nan"), "an empty text": ""}


def table_twins(usual: Mapping[str, float], names: Mapping[str, Sequence[str]]) -> Iterator[Twin]:
    """Rows that each say the same as another.

    Args:
        usual: column of numbers -> one of its numbers, no usual one.
        names: column of categories -> those that were fitted.
    """
    last = {column: own[-1] if own else None for column, own in names.items()}
    row = {**usual, **last}
    yield Twin("a row whose columns stand in another order", dict(reversed(row.items())), row, 0)
    yield Twin("a row with more columns", {"\0other": "\0", **row}, row, 0)
    if usual:
        forms: Mapping[str, Callable[[float], Any]] = {
            "text": repr, "decimal numbers": lambda one: Decimal(repr(one)), "NumPy": np.float64,
        }  # fmt: skip
        for form, made in forms.items():
            other = {column: made(value) for column, value in usual.items()}
            yield Twin(f"numbers as {form}", {**row, **other}, row, 0)
    yield from _category_twins(row, names)
    for what, columns in (("number", [*usual]), ("category", [*names])):
        # A row of nothing else would be no row at all.
        gone = columns if len(columns) < len(row) else columns[1:]
        empty = {**row, **dict.fromkeys(gone)}
        if gone:
            for form, nothing in _NOTHING.items():
                yield Twin(
                    f"{form} for no {what}", {**row, **dict.fromkeys(gone, nothing)}, empty, 0
                )


def _category_twins(row: Row, names: Mapping[str, Sequence[str]]) -> Iterator[Twin]:
    known = {column: row[column] for column in names if row[column] is not None}
    if known:
        padded = {column: f" {name}\t" for column, name in known.items()}
        yield Twin("categories between blanks", {**row, **padded}, row, 0)
    whole = {column: own for column in names if (own := _last(names[column], _is_whole))}
    for form, made in _WHOLE.items() if whole else ():
        other = {column: made(int(name)) for column, name in whole.items()}
        yield Twin(f"categories as {form}", {**row, **other}, {**row, **whole}, 0)
    flags = {column: own for column in names if (own := _last(names[column], _FLAGS.__contains__))}
    for form, made in (("truth values", bool), ("NumPy's truth values", np.bool_)) if flags else ():
        other = {column: made(_FLAGS[name]) for column, name in flags.items()}
        yield Twin(f"categories as {form}", {**row, **other}, {**row, **flags}, 0)


_FLAGS = {"true": True, "false": False}
_DIGITS = re.compile("-?[0-9]{1,16}")


def _last(names: Sequence[str], fits: Callable[[str], bool]) -> str | None:
    return next(filter(fits, reversed(names)), None)


def _is_whole(name: str) -> bool:
    """Whether it is how a whole number is named that float64 holds."""
    if not _DIGITS.fullmatch(name):  # `--5`, or more digits than Python reads
        return False
    number = int(name)
    return str(number) == name and abs(number) < 2**53
