"""How far a long piece of work has come, for whoever draws the bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress", "ignore"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of the work.

    Args:
        what: a word for the step, such as ``encode`` or ``tasks``.
        done: items done.
        total: items of this step.
    """

    what: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


def ignore(event: object) -> None:
    """An ``on_event`` that does nothing."""
    del event
