"""What an answer of ``predict`` says was decided, read without the code that wrote it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from kd2edge.tasks.spans import Word, are_tags, read_tag
from kd2edge.tasks.spec import TaskSpec


def words_said(spec: TaskSpec, answer: Any, words: Sequence[Word]) -> list[Any] | None:
    """What an answer about words says of each; None where words are not told apart by place.

    Of tags it says the type of the entity that a word is in, and whether it begins there.
    """
    if not are_tags(spec.labels):
        return [one["label"] for one in answer]
    whole = [(start, end) for start, end, _ in words if start < end]
    if any(end > start for (_, end), (start, _) in itertools.pairwise(whole)):
        return None  # one letter became several words
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


def words_decided(spec: TaskSpec, names: Sequence[str | None]) -> list[Any]:
    """The same of the decided labels of a row's words, as far as an answer can show it."""
    if not are_tags(spec.labels):
        return list(names)
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
