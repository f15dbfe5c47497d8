"""Labels as text: what a raw value is called, which class it is, in which order classes stand.

One normal form holds for every source of rows, whatever types it has.  It undoes what data frames
do to whole numbers and to booleans, and nothing else: "1.10", "007" and "1e5" are names.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeGuard

import numpy as np

from kd2edge.wording import meant
from kd2edge.written import normal_form

#: A number that is no whole one: beside it, "1.0" is a name like "1.5".
_FRACTION = re.compile(r"-?[0-9]+\.[0-9]*[1-9][0-9]*", re.ASCII)
#: Letters and marks with nothing to see that Unicode counts among those that have: the fillers of
#: Hangul, Braille without a dot, what joins or varies the letter before it.
_UNSEEN = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\ufe0e\ufe0f")


def label_text(value: Any) -> str:
    """The name of a raw label in its normal form: 1 is "1", True is "true", other text as it is.

    5.0 and "5.0" are "5": a column of whole numbers with gaps is one of floats in many a data
    frame, which writes it so.  "True" and "TRUE" are "true" likewise.

    Raises:
        ValueError: a value that is no label (a fraction, NaN, a list ...).
    """
    if isinstance(value, str):
        return normal_form(str(value))
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return _digits(value)
    if _is_number(value) and np.isfinite(float(value)) and value == int(value):
        return f"{int(value):d}"
    raise ValueError(f"expected a label as text or a whole number, found {_found(value)}")


def is_missing(value: Any) -> bool:
    """Whether a raw value says that there is no label: None, NaN, or text with nothing to see."""
    if isinstance(value, str):
        return not any(
            letter.isprintable() and not letter.isspace() and letter not in _UNSEEN
            for letter in value
        )
    return value is None or (_is_number(value) and bool(value != value))


def label_index(labels: tuple[str, ...], value: Any) -> int:
    """Which of ``labels`` a raw value is: as it is written, else by the normal form of both.

    Labels that are stated, or come with an older model, may be in another form than the normal one.

    Raises:
        ValueError: no label, or one that is not among ``labels``; the message names the nearest.
    """
    exact, normal = _indices(labels)
    if isinstance(value, str) and (index := exact.get(value)) is not None:
        return index
    text = label_text(value)
    index = exact.get(text, normal.get(text))
    if index is None:
        raise ValueError(f"unknown label {text!r}{_nearest(text, labels)}")
    return index


def class_target(labels: tuple[str, ...], value: Any) -> Mapping[str, np.ndarray] | None:
    """The target of a task with one class a row; None where the value says nothing.

    Raises:
        ValueError: as :func:`label_index`.
    """
    return None if is_missing(value) else {"labels": np.array(label_index(labels, value))}


def inventory(values: Iterable[Any]) -> tuple[str, ...]:
    """The labels among ``values`` in a stable order: whole numbers by size, anything else by name.

    What is missing is skipped, and so is what cannot be a label: reading targets refuses it, with
    its place.  Beside numbers with a fraction, a whole one keeps the ".0" that it was written with.
    """
    written: dict[str, set[Any]] = {}
    for value in values:
        if (text := _text_or_none(value)) is not None:
            written.setdefault(text, set()).add(value)
    found = set(written)
    if any(_FRACTION.fullmatch(text) for text in found):
        found = {_as_written(text, written[text]) for text in found}
    if all(map(is_whole_text, found)):
        # Decimal, for int() refuses texts of thousands of digits.
        return tuple(sorted(found, key=lambda text: (Decimal(text), text)))
    return tuple(sorted(found))


def is_whole_text(label: str) -> bool:
    """Whether a label is a whole number."""
    return label.isascii() and label.removeprefix("-").isdigit()


def _digits(value: Any) -> str:
    try:
        return f"{value:d}"
    except ValueError as error:  # Python's own limit, and its advice to raise it
        raise ValueError(
            "expected a label, found a whole number of thousands of digits; write it as text if it "
            "is meant"
        ) from error


def _text_or_none(value: Any) -> str | None:
    try:
        return None if is_missing(value) else label_text(value)
    except ValueError:
        return None


def _as_written(text: str, values: set[Any]) -> str:
    whole = f"{text}.0"
    return whole if whole in values else text


@lru_cache(maxsize=64)
def _indices(labels: tuple[str, ...]) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Label -> index, and normal form of a label -> index of the first that has it."""
    normal: dict[str, int] = {}
    for index, label in enumerate(labels):
        normal.setdefault(label_text(label), index)
    return {label: index for index, label in enumerate(labels)}, normal


def _nearest(text: str, labels: tuple[str, ...]) -> str:
    near = meant(text, labels, before="; ")
    if near:
        return near
    shown = ", ".join(map(repr, labels[:5])) + (", ..." if len(labels) > 5 else "")
    return f"; the {len(labels)} labels are {shown}"


def _is_number(value: Any) -> TypeGuard[float]:
    """A number that can have a fraction, or be none."""
    return isinstance(value, (float, np.floating, Decimal))


def _found(value: Any) -> str:
    if _is_number(value):
        return (
            "NaN (a missing label is written as null)"
            if value != value
            else f"the fraction {value}"
        )
    return f"a {type(value).__name__} ({reprlib.repr(value)})"
