"""Raw values as numbers: what is none is refused, and nothing is cast in silence."""

from __future__ import annotations

import math
import reprlib
from decimal import Decimal
from typing import Any

import numpy as np

from kd2edge.written import is_number

_NUMBERS: tuple[type[Any], ...] = (int, float, np.integer, np.floating, Decimal)
#: Beyond this, single precision has no value.
LARGEST = float(np.finfo(np.float32).max)


def number_of(value: object) -> float:
    """The number that a raw value is; text counts where it is written as one, as in csv files.

    Raises:
        ValueError: true and false, other text, lists; infinity and what single precision lacks.
    """
    if isinstance(value, (bool, np.bool_)):
        raise ValueError(f"expected a number, found {'true' if value else 'false'}")
    if isinstance(value, str):
        text = value.strip()
        if not is_number(text):
            raise ValueError(
                f"expected a number, found the text {reprlib.repr(value)}{_advice(text)}"
            )
        found = float(text)
    elif isinstance(value, _NUMBERS):
        found = _finite(value)
    else:
        raise ValueError(
            f"expected a number, found a {type(value).__name__} ({reprlib.repr(value)})"
        )
    if not abs(found) <= LARGEST:
        shown = reprlib.repr(value)
        raise ValueError(f"expected a finite number up to {LARGEST:.4g} in size, found {shown}")
    return found


def _advice(text: str) -> str:
    if text.lower().lstrip("+-") in {"nan", "na", "n/a", "null", "none", "?", "inf", "infinity"}:
        return "; a number that is missing is null, or an empty cell"
    return ""


def _finite(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # whole numbers have no end
        return math.inf
