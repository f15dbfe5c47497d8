"""Reading JSON strictly: each value has its type, each key is expected, errors carry the place.

Every reader takes a value and where it stands, and raises IntegrityError for anything else.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, final

from kd2edge.errors import IntegrityError
from kd2edge.json_text import json_value

Item = TypeVar("Item")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def parsed(content: bytes, place: str, limit: int) -> Any:
    """The value of a JSON text, read strictly: see ``json_text.json_value``.

    Raises:
        IntegrityError: it is not such a text.
    """
    try:
        return json_value(content, limit=limit)
    except ValueError as error:
        raise IntegrityError(f"{place}: no valid JSON: {error}") from error


@final
class Fields:
    """An object's keys, each taken once; what is left at the end was not expected."""

    def __init__(self, value: object, where: str) -> None:
        self._where = where
        self._left = dict(as_object(value, where))

    def at(self, key: str) -> str:
        return f"{self._where}: {key}" if self._where.endswith(".json") else f"{self._where}.{key}"

    def take(self, key: str) -> object:
        if key not in self._left:
            raise IntegrityError(f"{self.at(key)}: missing")
        return self._left.pop(key)

    def one(self, key: str, read: Callable[[object, str], Item]) -> Item:
        """The value under ``key``, read by ``read(value, place)``."""
        return read(self.take(key), self.at(key))

    def list(self, key: str, read: Callable[[object, str], Item]) -> tuple[Item, ...]:
        return as_items(self.take(key), self.at(key), read)

    def table(self, key: str, read: Callable[[object, str], Item]) -> dict[str, Item]:
        """The object under ``key``, each of its values read by ``read``."""
        found = as_object(self.take(key), self.at(key))
        return {name: read(value, f"{self.at(key)}.{name}") for name, value in found.items()}

    def end(self) -> None:
        """Refuse what nobody took."""
        if self._left:
            raise IntegrityError(f"{self.at(min(self._left))}: unknown key")


def as_object(value: object, where: str) -> Mapping[str, Any]:
    """An object, whatever is in it."""
    if not isinstance(value, dict):
        raise IntegrityError(f"{where}: expected an object, found {_kind(value)}")
    return cast("dict[str, Any]", value)


def as_items(value: object, where: str, read: Callable[[object, str], Item]) -> tuple[Item, ...]:
    """A list, each item read by ``read(item, place)``."""
    if not isinstance(value, list):
        raise IntegrityError(f"{where}: expected a list, found {_kind(value)}")
    found = cast("list[object]", value)
    return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(found))


def as_texts(value: object, where: str) -> tuple[str, ...]:
    """A list of texts."""
    return as_items(value, where, as_text)


def as_text(value: object, where: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise IntegrityError(f"{where}: expected a text, found {_kind(value)}")
    return value


def as_name(value: object, where: str) -> str:
    """A text that can name a task, an input or a kind."""
    found = as_text(value, where)
    if not _NAME.fullmatch(found):
        raise IntegrityError(f"{where}: {found[:80]!r} is no name (letters, digits, ., _ and -)")
    return found


def as_integer(value: object, where: str, least: int = 0) -> int:
    """A whole number, ``least`` or more, that an array can count; true is none."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**63:
        raise IntegrityError(f"{where}: expected a whole number from {least}, found {value!r:.40}")
    return value


def as_number(value: object, where: str) -> float:
    """A finite number, whole ones as they are."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise IntegrityError(f"{where}: expected a number, found {_kind(value)}")
    if abs(value) > sys.float_info.max:  # 1e999 is valid JSON, and whole numbers have no end
        raise IntegrityError(f"{where}: expected a number that a float can hold")
    return value


def as_share(value: object, where: str) -> float:
    """A number from 0 to 1."""
    found = as_number(value, where)
    if not 0 <= found <= 1:
        raise IntegrityError(f"{where}: expected a number from 0 to 1, found {found!r:.40}")
    return found


def as_budget(value: object, where: str) -> float:
    """A number from 0."""
    found = as_number(value, where)
    if found < 0:
        raise IntegrityError(f"{where}: expected a number from 0, found {found!r:.40}")
    return found


def _kind(value: object) -> str:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
    }
    return "null" if value is None else kinds.get(type(value), "a number")
