"""The one reader of JSON: whatever a file holds, values come out or a ``ValueError`` says why not.

``json.loads`` alone answers hostile text with ``RecursionError``, with halves of surrogate pairs
that break whoever writes them, with numbers that no float holds, and with the last of two equal
keys.  Callers add the place, and raise the error that fits the file.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, cast

#: Most levels of lists and objects in each other: the deepest of our own files have a dozen.
DEEPEST = 100
#: Most bytes, where a caller states no limit of its own.
LONGEST = 1 << 30

_HALF = re.compile("[\ud800-\udfff]")
#: How JSON writes a half; a text without it needs no second look.
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def json_value(
    content: bytes | str, *, limit: int = LONGEST, deepest: int = DEEPEST, strict: bool = True
) -> Any:
    """The value of a JSON text.

    Args:
        content: the text; bytes are UTF-8, as JSON's standard has it.
        limit: most bytes (or characters) that it may have.
        deepest: most levels of lists and objects in each other.
        strict: refuse what only some readers take: NaN, infinities, numbers beyond a float and a
            key that stands twice (else its last value counts, as in ``json.loads``).

    Raises:
        ValueError: it is no such text; the message says why, in a line.
    """
    if len(content) > limit:
        raise ValueError(f"{len(content):,} bytes; at most {limit:,} are read")
    text = content if isinstance(content, str) else _decoded(content)
    try:
        if strict:
            found: Any = json.loads(  # noqa: TID251  (this is the one)
                text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_float
            )
        else:
            found = json.loads(text)  # noqa: TID251
    except RecursionError as error:
        raise ValueError(_too_deep(deepest)) from error
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's own limit, and its advice to raise it
            raise ValueError("a whole number of thousands of digits") from error
        raise
    _require_flat(text, found, deepest)
    if _ESCAPED_HALF.search(text) or (text is content and _HALF.search(text)):
        _require_whole(found)
    return found


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not UTF-8 text (byte 0x{content[error.start]:02x} at {error.start}): save it as UTF-8"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the key {twice[:80]!r} stands twice in an object")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _float(text: str) -> float:
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"{text[:40]}: expected a number that a float can hold")
    return found


def _too_deep(deepest: int) -> str:
    return f"nested deeper than {deepest} levels of lists and objects"


def _require_flat(text: str, value: Any, deepest: int) -> None:
    # Texts with few brackets (a row of data, most files) cannot be deep: they are only counted.
    if text.count("[") + text.count("{") <= deepest:
        return
    level: list[Any] = [value]
    for _ in range(deepest):
        level = [item for one in level for item in _inside(one) if isinstance(item, (dict, list))]
        if not level:
            return
    raise ValueError(_too_deep(deepest))


def _inside(value: Any) -> Iterable[Any]:
    return cast("dict[str, Any]", value).values() if isinstance(value, dict) else value


def _require_whole(value: Any) -> None:
    """Refuse half a surrogate pair anywhere: no file, terminal or tokenizer takes it."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            if found := _HALF.search(one):
                raise ValueError(
                    f"half a surrogate pair (\\u{ord(found[0]):04x}) is no character;"
                    " write it whole, or U+FFFD for what is lost"
                )
        elif isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, list):
            left += one
