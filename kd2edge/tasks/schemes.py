"""Ways to write entities as a label a word, read as IOB2: ``B-`` begins one, ``I-`` goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from kd2edge.tasks.labels import is_missing
from kd2edge.tasks.spans import OUTSIDE, Tag, begins, read_tag

#: Name of a scheme -> the first letters that it has.
SCHEMES: Mapping[str, str] = {
    "io": "OI",
    "iob1": "OBI",
    "iob2": "OBI",
    "bioes": "OBIES",
    "bilou": "OBILU",
}
#: Letters of BILOU in BIOES.
_OTHER_NAMES = {"L": "E", "U": "S"}


class Beginnings(NamedTuple):
    """How the entities of some rows begin.

    IOB1 begins one with ``B-`` only where another of its type ends before it; IOB2 always does.
    """

    inside: int = 0  # with I-
    needed: int = 0  # with B-, right behind another entity of its type
    free: int = 0  # with B-, elsewhere

    def plus(self, other: Beginnings) -> Beginnings:
        """Both together."""
        return Beginnings(*(one + more for one, more in zip(self, other, strict=True)))

    @property
    def is_iob1(self) -> bool:
        """Whether ``B-`` stands only where IOB1 needs it."""
        return self.inside > 0 and not self.free


def as_iob2(labels: Sequence[Any], scheme: str) -> list[Any]:
    """The labels of a row's words as IOB2: the same entities as before.

    A label that is missing stays so and ends an entity.

    Args:
        labels: one a word.
        scheme: a name in ``SCHEMES``.

    Raises:
        ValueError: a label that is no tag of the scheme; the message names the word.
    """
    found: list[Any] = []
    before = OUTSIDE
    for at, label in enumerate(labels):
        tag = OUTSIDE if is_missing(label) else _tag(label, scheme, at)
        if tag.kind is None:
            found.append(label)
        else:
            name = f"-{tag.kind}" if tag.kind else ""
            found.append(f"{'B' if begins(before, tag) else 'I'}{name}")
        before = tag
    return found


def beginnings(labels: Iterable[str | None]) -> Beginnings:
    """How the entities of a row begin, of labels that are all tags (None: no label)."""
    counts = [0, 0, 0]
    before = OUTSIDE
    for label in labels:
        tag = (read_tag(label) if label is not None else None) or OUTSIDE
        if begins(before, tag):
            follows = before.kind == tag.kind and before.prefix in "BI"
            counts[0 if tag.prefix == "I" else 1 if follows else 2] += tag.prefix in "BI"
        before = tag
    return Beginnings(*counts)


def _tag(label: Any, scheme: str, at: int) -> Tag:
    letters = SCHEMES[scheme]
    text = str(label)
    other = scheme == "bilou" and text[:1] in _OTHER_NAMES
    tag = read_tag(f"{_OTHER_NAMES[text[0]]}{text[1:]}" if other else text)
    if tag is None or text[:1] not in letters:
        expected = ", ".join("O" if letter == "O" else f"{letter}-x" for letter in letters)
        raise ValueError(f"word {at + 1}: expected a tag of {scheme} ({expected}), found {label!r}")
    return tag
