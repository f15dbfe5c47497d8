"""Labels that a person would call the same: they differ in blanks, case, Unicode or number form."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from kd2edge.tasks.spans import read_tag

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
#: Categories of characters with nothing to see: control and format characters.
_UNSEEN = frozenset({"Cc", "Cf"})
#: Characters that look like a plain one, or like nothing: minus, quotes, what joins or varies.
_PLAIN = {
    "\u2212": "-",
    **dict.fromkeys("\u2018\u2019\u201b\u02bc\u0060\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201f", '"'),
    **dict.fromkeys("\u034f\ufe0e\ufe0f\u115f\u1160\u3164\uffa0\u2800", ""),
}
#: Labels that are likelier the text that a program wrote for a missing value.
_NOTHING = frozenset({"nan", "null", "<na>", "n/a", "#n/a", "nat"})


@dataclass(frozen=True, slots=True)
class Lookalikes:
    """Labels that differ in their writing alone.

    Args:
        labels: two or more of them, or types of entities.
        differ_in: ``blanks``, ``case``, ``Unicode form``, ``number form``: what of these it takes
            to tell them apart.
    """

    labels: tuple[str, ...]
    differ_in: tuple[str, ...]


def lookalikes(labels: Iterable[str]) -> list[Lookalikes]:
    """Groups of labels that a person would call the same, in the order of the labels.

    Of tags (``B-x``, ``I-x``) the types are compared as well: ``B-PER`` goes with ``I-Per``.
    """
    every = list(labels)
    tags = {label: tag.kind for label in every if (tag := read_tag(label)) and tag.kind}
    found = _groups(every)
    known = [{tags.get(label) for label in group.labels} for group in found]
    kinds = [
        group for group in _groups(dict.fromkeys(tags.values())) if {*group.labels} not in known
    ]
    return found + kinds


def says_nothing(label: str) -> bool:
    """Whether a label is likely the text that some program wrote for a missing value."""
    return label.casefold() in _NOTHING


def _groups(labels: Iterable[str]) -> list[Lookalikes]:
    by_key: dict[str, list[str]] = {}
    for label in labels:
        by_key.setdefault(_key(label, _FORMS), []).append(label)
    return [Lookalikes(tuple(group), _ways(group)) for group in by_key.values() if len(group) > 1]


def _ways(labels: Sequence[str]) -> tuple[str, ...]:
    """In what the labels differ, each from the next."""
    found = {way: None for one, other in pairwise(labels) for way in _ways_of_two(one, other)}
    return tuple(name for name in _FORMS if name in found)


def _ways_of_two(one: str, other: str) -> tuple[str, ...]:
    for name, form in _FORMS.items():
        if form(one) == form(other):
            return (name,)
    rest = {name: {key: form for key, form in _FORMS.items() if key != name} for name in _FORMS}
    found = [name for name in _FORMS if _key(one, rest[name]) != _key(other, rest[name])]
    return tuple(found) or ("Unicode form",)  # taking away one can do the work of another


def _key(label: str, forms: Mapping[str, Callable[[str], str]]) -> str:
    for form in forms.values():
        label = form(label)
    return label


def _without_blanks(label: str) -> str:
    return "".join(label.split())


def _unicode_form(label: str) -> str:
    """Composed, without what cannot be seen, and with one kind of dash and of quote."""
    categories = ((letter, unicodedata.category(letter)) for letter in label)
    seen = (
        "-" if kind == "Pd" else _PLAIN.get(letter, letter)
        for letter, kind in categories
        if kind not in _UNSEEN
    )
    return unicodedata.normalize("NFKC", "".join(seen))


def _number_form(label: str) -> str:
    """The number that a label is, a comma for its point included."""
    plain = label.replace(",", ".") if label.count(",") == 1 and "." not in label else label
    if not _NUMBER.fullmatch(plain):
        return label
    number = Decimal(plain).normalize()
    return str(number) if number else "0"  # not "-0"


def _one_case(label: str) -> str:
    return label.casefold().replace("i\u0307", "i")  # the dotted capital I of Turkish


#: What may tell two labels apart, in the order in which it is taken away.
_FORMS: Mapping[str, Callable[[str], str]] = {
    "blanks": _without_blanks,
    "Unicode form": _unicode_form,
    "case": _one_case,
    "number form": _number_form,
}
