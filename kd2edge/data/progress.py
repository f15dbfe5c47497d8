"""How far a long walk over rows has come, for whoever draws the bar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` rows of ``what`` (``encode``, ``teacher``, ``predict``) are done."""

    what: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


def ignore(event: object) -> None:
    """An ``on_event`` that does nothing."""
    del event
