"""Cells of a table: numbers and categories, one by one or a column at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.cell import described, is_missing, require_whole
from kd2edge.written import is_number, normal_form

Numbers = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

#: Ids of a column's categories that every column has; those that were fitted follow.
MISSING, UNKNOWN, KNOWN = 0, 1, 2
#: From it on float64 leaves whole numbers out: what was read as it may have been another one.
LARGEST = 2.0**53

_PLAIN, _WRITTEN = {float, int, type(None)}, {str, type(None)}


def number(value: Any) -> float | None:
    """The number in a cell, also one that is written as text; None where there is none.

    A float NaN is how data frames say that; the word is no number.

    Raises:
        ValueError: anything else, infinity, and numbers that float64 does not hold exactly.
    """
    if isinstance(value, str):
        text = value.strip()
        if text and not is_number(text):
            raise ValueError(f"expected a number, found {described(value)}{_advice(text)}")
        return _bounded(float(text), value) if text else None
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        reason = "write 1 and 0, or name the column under `categorical`"
        raise ValueError(f"expected a number, found {described(value)}; {reason}")
    if isinstance(value, (int, float, np.integer, np.floating, Decimal)):
        return _bounded(value, value)
    raise ValueError(f"expected a number, found {described(value)}")


def category(value: Any) -> str | None:
    """The name of the category in a cell; None where there is none.

    White space around it does not count; 5, 5.0 and "5.0" are "5", True and "True" are "true".

    Raises:
        ValueError: no text, whole number or truth value.
    """
    if isinstance(value, str):
        return _named(value)
    if is_missing(value):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float, np.integer, np.floating, Decimal)):
        given = cast("float", value)
        if math.isfinite(given) and given == int(given) and abs(given) < 10**20:
            return f"{int(given):d}"
        found, way_out = described(value), "; a column of numbers belongs under `numeric`"
    else:
        found, way_out = described(value), ""
    raise ValueError(f"expected a category as text or a whole number, found {found}{way_out}")


def numbers(column: Sequence[Any]) -> Numbers:
    """The numbers of a column ``[row]``, NaN where there is none.

    Raises:
        ValueError: as :func:`number`.
    """
    types = set(map(type, column))
    if types <= _PLAIN:
        try:
            found = np.array(column, np.float64)
        except OverflowError:
            found = np.full(len(column), np.inf)
        if not (np.abs(found) >= LARGEST).any():  # NaN is not
            return found
    if types <= _WRITTEN:
        known = {text: number(text) for text in set(column)}
        return np.array([known[text] for text in column], np.float64)
    return np.array([number(one) for one in column], np.float64)


def ids(column: Sequence[Any], known: Mapping[str, int]) -> Ids:
    """The ids of a column's categories ``[row]``, those that nobody knows among them.

    Raises:
        ValueError: as :func:`category`.
    """
    if set(map(type, column)) <= _WRITTEN:
        found = {one: _id(category(one), known) for one in set(column)}
        return np.array([found[one] for one in column], np.int64)
    return np.array([_id(category(one), known) for one in column], np.int64)


def _id(name: str | None, known: Mapping[str, int]) -> int:
    return MISSING if name is None else known.get(name, UNKNOWN)


@lru_cache(maxsize=1 << 14)
def _named(text: str) -> str | None:
    text = text.strip()
    require_whole(text)
    return normal_form(text) or None


def _bounded(found: Any, value: Any) -> float:
    if isinstance(value, (float, np.floating)) and math.isinf(float(cast("float", value))):
        reason = "a number that is missing is null, or an empty cell"
        raise ValueError(f"expected a finite number, found {described(value)}; {reason}")
    if not abs(found) < LARGEST:
        raise ValueError(
            f"expected a number below 2**53 (9.0e15), found {described(value)}: beyond it whole"
            " numbers are no longer exact; take a larger unit, or name the column under"
            " `categorical` if it is an id"
        )
    return float(found)


def _advice(text: str) -> str:
    if text.lower().lstrip("+-") in {"nan", "na", "n/a", "null", "none", "?", "inf", "infinity"}:
        return "; a number that is missing is null, or an empty cell"
    if re.fullmatch(r"[+-]?[0-9.,_ ']+", text, re.ASCII):
        return "; write it without marks between thousands, and with a point"
    return "; name the column under `categorical` if it holds words"
