"""Texts made of other texts: rows for teachers to label, where labelled texts are few."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from kd2edge.rows.made.maker import Maker, Making, words_in, written_as
from kd2edge.rows.rows import Row, Rows

#: Rows whose texts are held.
_HELD = 1 << 14
_DIGIT = re.compile("[0-9]")


@final
class Remix(Maker):
    """Texts that go on as another row does, with words of other rows and other digits.

    Tang et al. 2019 (arXiv 1903.12136) distilled BERT over texts of their own training set whose
    words they masked, replaced and sampled; pieces of it next to each other show a student words,
    and borders of phrases, in surroundings that no row has.

    Options: ``splice`` (share of the rows that go on as another row does, from some word on),
    ``swap`` (share of the words that a word of another row takes the place of), ``digits`` (share
    of the words with digits whose digits are drawn anew).
    """

    rule = 1
    changes = "words"

    def __init__(self, rows: Rows, how: Making) -> None:
        self._rows = rows
        self._held: dict[int, Row] = {}
        self._columns = how.words
        self._splice, self._swap = how.options["splice"], how.options["swap"]
        self._digits = how.options["digits"]

    def make(self, position: int, random: np.random.Generator) -> Row:
        row = self._rows[position]
        other, donor = (self._texts(int(at)) for at in random.integers(len(self._rows), size=2))
        goes_on = random.random() < self._splice
        made = {
            column: self._made(
                random, row[column], words_in(other.get(column)) if goes_on else None,
                words_in(donor.get(column)),
            )
            for column in self._columns
            if column in row
        }  # fmt: skip
        return {**row, **made}

    def _texts(self, position: int) -> Row:
        """A row's texts, which many others are made of: read once as long as few are held."""
        texts = self._held.get(position)
        if texts is None:
            if len(self._held) >= _HELD:
                self._held.clear()
            row = self._rows[position]
            texts = {column: row[column] for column in self._columns if column in row}
            self._held[position] = texts
        return texts

    def _made(
        self, random: np.random.Generator, value: Any, rest: list[str] | None, donors: list[str]
    ) -> Any:
        words = words_in(value)
        if not words:
            return value
        if rest is not None:
            words = [
                *words[: 1 + int(random.integers(len(words)))],
                *rest[int(random.integers(len(rest) + 1)) :],
            ]
        swapped, drawn = random.random((2, len(words)))
        donors = donors or words
        made = [
            self._word(random, word, donors, swap=bool(one < self._swap), draw=two)
            for word, one, two in zip(words, swapped, drawn, strict=True)
        ]
        return written_as(value, made)

    def _word(
        self, random: np.random.Generator, word: str, donors: Sequence[str], *,
        swap: bool, draw: float,
    ) -> str:  # fmt: skip
        if swap:
            return donors[int(random.integers(len(donors)))]
        if draw >= self._digits:
            return word
        return _DIGIT.sub(lambda found: str(_digit(random, word, found)), word)


def _digit(random: np.random.Generator, word: str, found: re.Match[str]) -> int:
    """Another digit in its place: no number begins with a 0 that did not."""
    leads = found.start() == 0 and len(word) > 1 and found.group() != "0"
    return int(random.integers(1 if leads else 0, 10))
