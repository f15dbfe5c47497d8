"""Where every key and value of a recipe stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from kd2edge.errors import Problem

#: The way to a value from the recipe's root: keys of mappings, indices of lists.
Steps = tuple[str | int, ...]
#: A fault: where, and what is wrong.
Fault = tuple[Steps, str]

#: What stands for the file in problems with a value from the command line.
OVERRIDE = "--set"


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A position in the recipe's file; both count from 1."""

    line: int
    column: int


@final
@dataclass(slots=True)
class Places:
    """Positions of keys and values by their steps.

    Args:
        file: the recipe's file, as messages call it.
        keys: where a mapping's key stands.
        values: where a value begins.
        overridden: what came from the command line; everything below it too.
    """

    file: str
    keys: dict[Steps, Place] = field(default_factory=dict)
    values: dict[Steps, Place] = field(default_factory=dict)
    overridden: set[Steps] = field(default_factory=set)

    def value(self, steps: Steps) -> Place | None:
        """Where a value begins: its own place, or that of what it would stand in."""
        return next((self.values[up] for up in _upwards(steps) if up in self.values), None)

    def problem(self, steps: Steps, message: str, *, key: bool = False) -> Problem:
        """A problem with the value (or the key) at ``steps``."""
        name = dotted(steps)
        if any(up in self.overridden for up in _upwards(steps)):
            return Problem(message, file=OVERRIDE, field=name)
        place = (self.keys.get(steps) if key else None) or self.value(steps) or Place(1, 1)
        return Problem(message, self.file, place.line, place.column, name)


def dotted(steps: Iterable[str | int]) -> str:
    """``train.lr``, ``teachers.0.name``: how ``--set`` and messages write steps."""
    return ".".join(str(step) for step in steps)


def _upwards(steps: Steps) -> Iterable[Steps]:
    return (steps[:length] for length in range(len(steps), -1, -1))
