"""What a message adds: the word that was probably meant, and values as a person wrote them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kd2edge.wording import meant

_FEW = 8


def hint(word: object, known: Iterable[str]) -> str:
    """``did you mean 'epochs'?``, or the list of what there is."""
    names = list(known)
    near = meant(word, names)
    if near:
        return near
    if not names:
        return "there are none"
    more = ", ..." if len(names) > _FEW else ""
    return f"expected one of {', '.join(names[:_FEW])}{more}"


def shown(value: Any) -> str:
    """A value as YAML would have it, short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
