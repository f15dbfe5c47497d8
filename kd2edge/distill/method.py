"""Methods by name: from a recipe's ``{kind, options}`` to an object of a fixed table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from kd2edge.errors import UsageError

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Method:
    """A method by name, with its options."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


def made(
    what: str, table: Mapping[str, Callable[..., Made]], method: Method, *arguments: object
) -> Made:
    """What ``table`` makes of a method.

    Args:
        what: where it stands, for messages.
        table: name -> what makes it, called with ``arguments`` and the method's options.
        method: name and options.
        arguments: given before the options.

    Raises:
        UsageError: an unknown name or option.
    """
    if method.kind not in table:
        known = ", ".join(sorted(table))
        raise UsageError(f"{what}: {method.kind!r} is not known; choose one of {known}")
    try:
        return table[method.kind](*arguments, **method.options)
    except TypeError as error:
        raise UsageError(f"{what}: {method.kind}: {error}") from error
