"""Every error that kd2edge raises on purpose, and the exit code that the command line gives it.

::

    Kd2edgeError                 1  something kd2edge knows about, but has no better name for
    ├── UsageError               2  a command, argument or file that cannot be meant
    │   ├── RecipeError          2  the recipe: carries every problem found, each with its place
    │   ├── DataError            2  a row, column or split: carries file and line
    │   ├── InputError           2  what a caller handed to predict or logits
    │   └── SchemaTooNewError    2  a file written by a newer kd2edge
    ├── GateError                3  a gate failed, or is undecided
    ├── StorageError             4  disk full, no permission, no such folder, a lock held by another
    ├── IntegrityError           5  a checksum, signature or format that does not hold
    │   └── PathEscapeError      5  a path that leaves its folder
    ├── BackendError             6  a backend, provider or device that is not here
    └── Interrupted            130  Ctrl-C, after the state was saved

A message says what was expected, what was found and what to do next.  What it quotes may come from
anywhere, so its text is made visible: see ``kd2edge.wording``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kd2edge.wording import shown

__all__ = [
    "BackendError",
    "DataError",
    "GateError",
    "InputError",
    "IntegrityError",
    "Interrupted",
    "Kd2edgeError",
    "PathEscapeError",
    "Problem",
    "RecipeError",
    "SchemaTooNewError",
    "StorageError",
    "UsageError",
]


class Kd2edgeError(Exception):
    """Base of every error that kd2edge raises on purpose.

    Each argument is a message: one line, whatever it quotes from a file or another library.
    """

    exit_code: int = 1

    def __str__(self) -> str:
        return "\n".join(shown(message) for message in self.args)


class UsageError(Kd2edgeError):
    """A command, argument or file that cannot be meant."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a recipe or in the data it names.

    ``line`` and ``column`` count from 1; 0 where the problem has no place in a file
    (a value that came from ``--set``, a whole missing file).
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    field: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        field = f"{self.field}: " if self.field else ""
        return f"{place}: {field}{self.message}" if place else f"{field}{self.message}"


class RecipeError(UsageError):
    """The recipe cannot be run: all problems at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(*map(str, self.problems))


class DataError(UsageError):
    """A row, column or split that cannot be used; the message names file and line."""


class InputError(UsageError):
    """What a caller handed to ``predict`` or ``logits`` does not fit the model.

    Where one row is at fault, ``row`` is its number (from 0) and ``name`` its input: who knows
    where the row came from can say so with ``reason``, the message without that place.
    """

    def __init__(self, reason: str, *, name: str = "", row: int | None = None) -> None:
        self.reason = reason
        self.name = name
        self.row = row
        super().__init__(reason if row is None else f"input {name!r}, row {row}: {reason}")


class SchemaTooNewError(UsageError):
    """A file that was written by a newer kd2edge than this one."""


class GateError(Kd2edgeError):
    """A gate failed or could not be decided with the rows at hand."""

    exit_code = 3


class StorageError(Kd2edgeError):
    """Disk full, no permission, no such folder, or a lock that another process holds."""

    exit_code = 4


class IntegrityError(Kd2edgeError):
    """A checksum, signature or file format that does not hold."""

    exit_code = 5


class PathEscapeError(IntegrityError):
    """A path in a manifest that is absolute or leaves its folder."""


class BackendError(Kd2edgeError):
    """A backend, execution provider or device that was asked for and is not here."""

    exit_code = 6


class Interrupted(Kd2edgeError):  # noqa: N818  (it is no failure: the state was saved and can be resumed)
    """Stopped by the user; the message says how to go on."""

    exit_code = 130
