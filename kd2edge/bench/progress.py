"""How far a bench is: what its caller's display is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress", "ignore"]


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of the work.

    Args:
        stage: ``load`` (load times and memory) or ``time``.
        done: items done.
        total: items of this stage.
    """

    stage: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


def ignore(event: Progress) -> None:
    """An ``on_event`` that does nothing."""
    del event
