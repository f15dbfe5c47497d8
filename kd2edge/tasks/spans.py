"""Entities from BIO and BIOES labels, by the rules of seqeval's default mode."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

#: Start, end and text of a word.
Word = tuple[int, int, str]
_TAG = re.compile(r"O|([BIES])(?:-(.*))?", re.DOTALL)


class Tag(NamedTuple):
    """A label that was read: ``O``, or a prefix and the type of an entity ("" when it has none)."""

    prefix: str
    kind: str | None


OUTSIDE = Tag("O", None)


@lru_cache(maxsize=1024)
def read_tag(label: str) -> Tag | None:
    """``O``, ``B-x``, ``I-x``, ``E-x`` or ``S-x`` (or without a type); None for any other label."""
    match = _TAG.fullmatch(label)
    if match is None:
        return None
    return Tag(match[1], match[2] or "") if match[1] else OUTSIDE


def are_tags(labels: Iterable[str]) -> bool:
    """Whether every label is a tag: the words are then answered, and counted, as entities."""
    return all(read_tag(label) is not None for label in labels)


def spans_of(
    labels: Sequence[str | None], scores: Sequence[float], words: Sequence[Word]
) -> list[dict[str, Any]]:
    """Entities of one row: ``{start, end, label, score, text}``, label without its prefix.

    ``I-x`` and ``E-x`` go on with an entity of the same type and begin one otherwise.  An entity's
    score is the mean over its words.  Words without a label (None) are in none.
    """
    spans: list[dict[str, Any]] = []
    first, before = 0, OUTSIDE
    for at, label in enumerate([*labels, None]):
        tag = (read_tag(label) if label is not None else None) or OUTSIDE
        opens = begins(before, tag)
        if before.kind is not None and (opens or tag.kind is None):
            spans.append(_span(before.kind, scores[first:at], words[first:at]))
        if opens:
            first = at
        before = tag
    return spans


def begins(before: Tag, tag: Tag) -> bool:
    """Whether an entity begins at ``tag``, the one ``before`` it read as well."""
    if tag.kind is None:
        return False
    return tag.prefix in "BS" or before.prefix in "OES" or before.kind != tag.kind


def _span(kind: str, scores: Sequence[float], words: Sequence[Word]) -> dict[str, Any]:
    return {
        "start": words[0][0],
        "end": words[-1][1],
        "label": kind,
        "score": sum(scores) / len(scores),
        "text": _joined(words),
    }


def _joined(words: Sequence[Word]) -> str:
    """The words, with a blank where anything stood between two of them."""
    parts = [words[0][2]]
    for (_, end, _), (start, _, text) in zip(words[:-1], words[1:], strict=True):
        parts.append(f" {text}" if start > end else text)
    return "".join(parts)
