"""One cell of a row of data: take it, look into it, and name it when it does not fit."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from kd2edge.wording import meant


@final
@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in a row for a value that a library cannot give: most columns nobody asks for."""

    reason: str


#: What separates columns in files that are called CSV.
DELIMITERS = (",", ";", "\t", "|")
#: Most columns of a row that a message names.
_NAMED = 20


def cell(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column that must be there.

    Raises:
        ValueError: no such column (with the nearest), or nothing in it.
    """
    if column not in row:
        raise ValueError(no_column(column, row))
    value = row[column]
    if value is None:
        raise ValueError(empty(column))
    return value


def no_column(column: str, row: Iterable[str]) -> str:
    """What to say of a row that lacks a column: what it has, and what was meant."""
    names = list(row)
    hint = meant(column, names, before="; ")
    held = [mark for mark in DELIMITERS if len(names) == 1 and mark in names[0]]
    if held:
        mark = json.dumps(held[0])  # as YAML and a shell take it
        hint = f"; it is one column and holds {mark}: state options: {{delimiter: {mark}}}, or"
        hint += f" --option 'delimiter={mark[1:-1]}'"
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    named = ", ".join(map(repr, names[:_NAMED])) or "none"
    return f"no column {column!r}, the row has {named}{more}{hint}"


def empty(column: str) -> str:
    """What to say of a column with nothing in it."""
    return f"column {column!r} is empty: fill it, or leave the row out"


def whole_number(value: object) -> int | None:
    """A Python or NumPy integer; None for anything else, and for True and False.

    These are an index to Python, and to nobody else a number of anything.
    """
    if isinstance(value, bool):
        return None
    try:
        return index(value)  # pyright: ignore[reportArgumentType]
    except TypeError:
        return None


def file_of(value: Any) -> Any:
    """The bytes of a file that stands in a cell as data sets ship it, ``{bytes, path}``.

    Its path where it has no bytes; bytes in other forms as bytes, anything else as it is.
    """
    if type(value) in {bytearray, memoryview} and getattr(value, "format", "B") == "B":
        return bytes(value)
    if not isinstance(value, Mapping):
        return value
    held = cast("Mapping[str, Any]", value)
    if not held.keys() <= {"bytes", "path"} or "bytes" not in held:
        return held
    return held.get("path") if held["bytes"] is None else held["bytes"]


def is_picture(value: Any) -> bool:
    """Whether it is a picture of Pillow, which may not be installed."""
    return all(hasattr(value, name) for name in ("getbands", "getexif", "convert"))


def require_whole(text: str) -> None:
    """Refuse text that no tokenizer takes, as JSON's escapes can write it.

    Raises:
        ValueError: half a surrogate pair.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text is no valid Unicode at character {error.start} (half a surrogate pair); "
            "decode it with errors='replace'"
        ) from error


def described(value: Any) -> str:
    """Type and value, short, for a message."""
    if value is None:
        return "None"
    if isinstance(value, Unreadable):
        return f"one that cannot be read ({value.reason})"
    if isinstance(value, np.ndarray):
        array = cast("npt.NDArray[Any]", value)
        return f"an array of {array.dtype} {list(array.shape)}"
    kind = type(value).__name__
    if kind in _MISSING:
        return kind.removesuffix("Type")
    if _is_nan(value):
        return "NaN"
    try:
        return f"a {kind} ({reprlib.repr(value)})"
    except ValueError:  # a whole number of thousands of digits
        return f"a {kind} that is too long to show"


def is_missing(value: object) -> bool:
    """Whether it is None, NaN, or what pandas has for no value (comparing it gives no boolean)."""
    return value is None or type(value).__name__ in _MISSING or _is_nan(value)


def _is_nan(value: object) -> bool:
    # Not `value != value` of any type: arrays, tables and pandas' NA give no boolean.
    if not isinstance(value, (float, np.floating)):
        return False
    return math.isnan(float(cast("float", value)))


def advice(value: Any) -> str:
    """What to do about a value that is none; nothing for any other."""
    missing = described(value) in {"None", "NaN", *(kind[:-4] for kind in _MISSING)}
    return "; fill it, or leave the row out" if missing else ""


#: Types of pandas that stand for "no value".
_MISSING = ("NAType", "NaTType")
