"""Labels as text: what a raw value is called, which class it is, in which order classes stand."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np


def label_text(value: Any) -> str:
    """The name of a raw label: text as it is, 1 as "1", True as "true".

    5.0 is "5": a column of whole numbers with gaps is one of floats in many a data frame.

    Raises:
        ValueError: a value that is no label (a fraction, NaN, a list ...).
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return f"{value:d}"
    if _is_float(value) and value.is_integer():
        return f"{int(value):d}"
    raise ValueError(f"expected a label as text or a whole number, found {_found(value)}")


def label_index(labels: tuple[str, ...], value: Any) -> int:
    """Which of ``labels`` a raw value is.

    Raises:
        ValueError: no label, or one that is not among ``labels``; the message names the nearest.
    """
    text = label_text(value)
    index = _indices(labels).get(text)
    if index is None:
        raise ValueError(f"unknown label {text!r}{_nearest(text, labels)}")
    return index


def inventory(values: Iterable[Any]) -> tuple[str, ...]:
    """The labels among ``values`` in a stable order: whole numbers by size, anything else by name.

    None is skipped, and so is what cannot be a label: reading targets refuses it, with its place.
    """
    found = {text for value in values if (text := _text_or_none(value)) is not None}
    if all(text.isascii() and text.removeprefix("-").isdigit() for text in found):
        return tuple(sorted(found, key=lambda text: (int(text), text)))
    return tuple(sorted(found))


def _text_or_none(value: Any) -> str | None:
    try:
        return None if value is None else label_text(value)
    except ValueError:
        return None


@lru_cache(maxsize=64)
def _indices(labels: tuple[str, ...]) -> Mapping[str, int]:
    return {label: index for index, label in enumerate(labels)}


def _nearest(text: str, labels: tuple[str, ...]) -> str:
    near = get_close_matches(text, labels, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    shown = ", ".join(map(repr, labels[:5])) + (", ..." if len(labels) > 5 else "")
    return f"; the {len(labels)} labels are {shown}"


def _is_float(value: Any) -> bool:
    return isinstance(value, (float, np.floating))


def _found(value: Any) -> str:
    if _is_float(value):
        return (
            "NaN (a missing label is written as null)"
            if value != value
            else f"the fraction {value}"
        )
    return f"a {type(value).__name__} ({reprlib.repr(value)})"
