"""What a mapping from teacher to student did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was started from the teacher.

    Args:
        parts: names of the tables or layers of the student that now hold the teacher's values.
        explained: share of the teacher's squared values that the student's width keeps, in [0, 1].
    """

    parts: tuple[str, ...]
    explained: float
