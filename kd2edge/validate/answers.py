"""What ``predict`` answered, held against what the graph's outputs say, row by row.

Twice: against the task kind's own answers, which shows a wrong short cut; and back to decisions,
which shows what short cut and task kind have wrong alike, such as entities that are lost.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kd2edge.ragged import Ragged
from kd2edge.tasks.spans import are_tags, read_tag
from kd2edge.tasks.spec import Decoded, TaskSpec

__all__ = ["alike", "odd_answers"]

#: By how much a score may differ: single precision, and another order of summing up.
_ROUNDING = 1e-4

Word = tuple[int, int, str]


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
    same = _all_alike(expected, found)
    if same and _say_the_labels(spec, decoded, found):
        return
    for row, (wanted, answer) in enumerate(zip(expected, found, strict=True)):
        if not (same or alike(wanted, answer)):
            yield row, f"predict answers {_shown(answer)}, its outputs say {_shown(wanted)}"
            continue
        own = None if words is None else words[row]
        said = _decisions(spec, answer, own)
        decided = _decided(spec, decoded, row)
        if said is not None and said != decided:
            yield row, f"predict answers {_shown(answer)}, decided was {_shown(decided)}"


def _all_alike(expected: Sequence[Any], found: Sequence[Any]) -> bool:
    """Whether all answers are alike, at one look: rows are looked at where they are not."""
    (words, numbers), (others, scores) = map(_leaves, (expected, found))
    if words != others or len(numbers) != len(scores):
        return False
    apart = np.abs(np.subtract(numbers, scores, dtype=np.float64))
    return bool((apart <= _ROUNDING).all())


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


def _say_the_labels(spec: TaskSpec, decoded: Decoded, found: Sequence[Any]) -> bool:
    """Whether every answer of one label a row is the decided one."""
    if isinstance(decoded.labels, Ragged) or spec.kind not in {"classification", "binary"}:
        return False
    names = (*spec.labels, None)  # -1 is the last: no decision
    wanted = [names[label] for label in decoded.labels.tolist()]
    if spec.kind == "binary":
        return wanted == [answer["label"] for answer in found]
    return wanted == [answer[0]["label"] for answer in found]


def alike(one: Any, other: Any) -> bool:
    """Whether two answers are the same, but for what a score may differ by."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _ROUNDING or (math.isnan(one) and math.isnan(other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(alike, one, other))
    return type(one) is type(other) and bool(one == other)


def _decided(spec: TaskSpec, decoded: Decoded, row: int) -> list[Any]:
    """The decided label of a row, or of each word; of tags only what an entity shows of them."""
    labels = decoded.labels
    indices = np.atleast_1d(labels.row(row) if isinstance(labels, Ragged) else labels[row])
    names = [spec.labels[index] if index >= 0 else None for index in indices.tolist()]
    return _entities(names) if isinstance(labels, Ragged) and are_tags(spec.labels) else names


def _entities(names: Sequence[str | None]) -> list[Any]:
    """For each word (type, whether an entity begins at it), or None outside."""
    found: list[Any] = []
    before: tuple[str, str] | None = None
    for name in names:
        tag = None if name is None else read_tag(name)
        if tag is None or tag.kind is None:
            found.append(None)
            before = None
            continue
        goes_on = before is not None and before[1] == tag.kind and before[0] not in "ES"
        found.append((tag.kind, not goes_on or tag.prefix in "BS"))
        before = (tag.prefix, tag.kind)
    return found


def _decisions(spec: TaskSpec, answer: Any, words: Sequence[Word] | None) -> list[Any] | None:
    """What an answer says was decided; None where it does not say it in a way known here."""
    if spec.kind == "classification":
        return [answer[0]["label"]]
    if spec.kind == "binary":
        return [answer["label"]]
    if spec.kind != "token_classification" or words is None:
        return None
    if not are_tags(spec.labels):
        return [one["label"] for one in answer]
    whole = [(start, end) for start, end, _ in words if start < end]
    if any(end > start for (_, end), (start, _) in itertools.pairwise(whole)):
        return None  # one letter became several words: places do not tell them apart
    painted: list[Any] = [None] * len(words)
    for entity in answer:
        inside = [
            at
            for at, (start, end, _) in enumerate(words)
            if entity["start"] <= start and end <= entity["end"] and start < end
        ]
        for at in inside:
            painted[at] = (entity["label"], at == inside[0])
    return painted


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
