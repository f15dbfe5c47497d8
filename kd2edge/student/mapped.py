"""What a mapping from teacher to student did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mapped:
    """What was started from the teacher.

    Args:
        parts: names of the tables and modules of the student that were started.
        explained: share of what the teacher has there that the student's width keeps, in [0, 1]: of
            a table's squared values, of the variance of outputs, of absolute weights.
        by_values: whether that share is a matter of the teacher's values; False: of shapes alone.
        source: what they were taken from, where the teacher calls it otherwise.
        partly: part -> so many of its numbers were started; of those that are not named, all.
    """

    parts: tuple[str, ...]
    explained: float
    by_values: bool = False
    source: str = ""
    partly: Mapping[str, int] = field(default_factory=dict[str, int])
