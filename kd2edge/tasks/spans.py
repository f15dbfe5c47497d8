"""Entities from BIO labels, by the rules of seqeval's default mode."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

#: Start, end and text of a word.
Word = tuple[int, int, str]


@lru_cache(maxsize=64)
def is_bio(labels: tuple[str, ...]) -> bool:
    """Whether the labels are ``O``, ``B-x`` and ``I-x``, with at least one ``B-x``."""
    begins = any(label.startswith("B-") for label in labels)
    return begins and all(label == "O" or label[:2] in ("B-", "I-") for label in labels)


def spans_of(
    labels: Sequence[str | None], scores: Sequence[float], words: Sequence[Word]
) -> list[dict[str, Any]]:
    """Entities of one row: ``{start, end, label, score, text}``, label without its prefix.

    ``I-x`` goes on with an entity of the same type and begins one otherwise.  An entity's score is
    the mean over its words.  Words without a label (None) are in none.
    """
    spans: list[dict[str, Any]] = []
    first = 0
    open_type = None
    for at, label in enumerate([*labels, None]):
        prefix, _, kind = (label or "O").partition("-")
        if open_type is not None and (prefix != "I" or kind != open_type):
            spans.append(_span(open_type, scores[first:at], words[first:at]))
            open_type = None
        if prefix != "O" and open_type is None:
            first, open_type = at, kind
    return spans


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
