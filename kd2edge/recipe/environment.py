"""``${NAME:-default}`` in the texts of a recipe."""

from __future__ import annotations

import re
from collections.abc import Mapping

_USE = re.compile(
    r"""\$(?:
        (?P<escaped>\$\{)                                                   # $${ means ${
      | \{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}]*))?\}      # ${NAME:-default}
      | (?P<open>\{)                                                        # anything else
    )""",
    re.VERBOSE,
)


def expanded(text: str, environment: Mapping[str, str]) -> str:
    """``text`` with its variables filled in; as in a shell, ``:-`` also stands for an empty one.

    Raises:
        ValueError: a variable that is not set and has no default, or a ``${`` without its end.
    """

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "${"
        if match["open"]:
            raise ValueError("expected ${NAME} or ${NAME:-default} (write $${ for a plain ${)")
        name, default = match["name"], match["default"]
        found = environment.get(name)
        if default is not None:
            return found or default
        if found is None:
            raise ValueError(
                f"environment variable {name} is not set: set it, or write ${{{name}:-default}}"
            )
        return found

    return _USE.sub(replace, text)


def escaped(text: str) -> str:
    """The text that :func:`expanded` turns into ``text``."""
    return text.replace("${", "$${")
