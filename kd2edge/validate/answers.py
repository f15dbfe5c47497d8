"""What ``predict`` answered, held against what the graph's outputs say, row by row.

Twice: against the task kind's own answers, which shows a wrong short cut; and back to decisions,
which shows what short cut and task kind have wrong alike, such as entities that are lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, TaskSpec

__all__ = ["alike", "odd_answers"]

#: By how much a score may differ (a value above 1: which share of it may): single precision, and
#: another order of summing up.
_ROUNDING = 1e-4


def odd_answers(
    spec: TaskSpec,
    decoded: Decoded,
    expected: Sequence[Any],
    found: Sequence[Any],
    words: Sequence[Sequence[Word]] | None,
) -> Iterator[tuple[int, str]]:
    """(row, what is odd) of every row whose answer is not what its outputs say.

    Args:
        spec: the task.
        decoded: decisions of these rows.
        expected: answers of the task kind for them.
        found: answers of ``predict``.
        words: the words of each row, for a task that labels words.
    """
    kind = task_kind(spec.kind)
    same = _all_alike(expected, found)
    decisions = kind.decided(spec, decoded)
    for row, (wanted, answer) in enumerate(zip(expected, found, strict=True)):
        if not (same or alike(wanted, answer)):
            yield row, f"predict answers {_shown(answer)}, its outputs say {_shown(wanted)}"
            continue
        said = kind.said(spec, answer, None if words is None else words[row])
        if said is not None and said != decisions[row]:
            yield row, f"predict answers {_shown(answer)}, decided was {_shown(decisions[row])}"


def _all_alike(expected: Sequence[Any], found: Sequence[Any]) -> bool:
    """Whether all answers are alike, at one look: rows are looked at where they are not."""
    (words, numbers), (others, scores) = map(_leaves, (expected, found))
    if words != others or len(numbers) != len(scores):
        return False
    apart = np.abs(np.subtract(numbers, scores, dtype=np.float64))
    return bool((apart <= _ROUNDING * np.maximum(1.0, np.abs(numbers))).all())


def _leaves(answers: Sequence[Any]) -> tuple[list[Any], list[float]]:
    """Everything that answers hold: what is no number with a point, and the numbers."""
    words: list[Any] = []
    numbers: list[float] = []
    for answer in answers:
        parts = answer if isinstance(answer, list) else [answer]
        words.append(len(parts))
        for part in parts:
            if not isinstance(part, dict):
                words.append(part)
                continue
            words.append(tuple(part))
            for value in part.values():
                (numbers if type(value) is float else words).append(value)
    return words, numbers


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, but for what a score may differ by."""
    if isinstance(one, float) and isinstance(other, float):
        near = _ROUNDING * max(1.0, abs(one))
        return abs(one - other) <= near or (math.isnan(one) and math.isnan(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
