"""Texts made of other texts: rows for teachers to label, where labelled texts are few."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np

from kd2edge.files.fingerprint import fingerprint
from kd2edge.ragged import listed
from kd2edge.rows.rows import Row, Rows

#: Of the rule: what an older one made are other rows.
_RULE = 1
_DIGIT = re.compile("[0-9]")


@dataclass(frozen=True, slots=True)
class Remix:
    """How rows are remixed.

    Args:
        columns: those that hold texts, or lists of words.
        copies: rows made of each row.
        splice: share of the rows that go on as another row does, from some word on.
        swap: share of the words that a word of another row takes the place of.
        digits: share of the words with digits whose digits are drawn anew.
        seed: another one makes other rows.
    """

    columns: tuple[str, ...]
    copies: int
    splice: float
    swap: float
    digits: float
    seed: int


@final
class RemixedRows(Rows):
    """``copies`` variants of every row, made when asked for; other columns stay as they are.

    Words are those between blanks where a column holds text.  A variant is a function of (seed,
    position) and of the rows.  What such a text says is for a teacher to tell: the row's own labels
    no longer hold.  Tang et al. 2019 (arXiv 1903.12136) distilled BERT over texts of their own
    training set whose words they masked, replaced and sampled like this; pieces of it next to each
    other show a student words, and borders of phrases, in surroundings that no row has.

    Args:
        rows: the rows that they are made of.
        how: columns and shares.
    """

    def __init__(self, rows: Rows, how: Remix) -> None:
        self._rows = rows
        self._how = how
        self.root = rows.root
        self.fingerprint = fingerprint([rows.fingerprint, asdict(how), _RULE])

    def __len__(self) -> int:
        return len(self._rows) * self._how.copies

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(f"{position}: there are {len(self)} rows")
        row = self._rows[position % len(self._rows)]
        random = np.random.default_rng([self._how.seed, position])
        other, donor = (self._rows[int(at)] for at in random.integers(len(self._rows), size=2))
        goes_on = random.random() < self._how.splice
        made = {
            column: self._made(
                random, row[column], _words(other.get(column)) if goes_on else None,
                _words(donor.get(column)),
            )
            for column in self._how.columns
            if column in row
        }  # fmt: skip
        return {**row, **made}

    def place(self, position: int) -> str:
        return f"{self._rows.place(position % len(self._rows))} (remixed)"

    def root_of(self, position: int) -> str:
        return self._rows.root_of(position % len(self._rows))

    def is_made(self, position: int) -> bool:
        del position
        return True

    def _made(
        self, random: np.random.Generator, value: Any, rest: list[str] | None, donors: list[str]
    ) -> Any:
        words = _words(value)
        if not words:  # nothing there, or no text: the walk over the rows says what is wrong
            return value
        if rest is not None:
            words = [
                *words[: 1 + int(random.integers(len(words)))],
                *rest[int(random.integers(len(rest) + 1)) :],
            ]
        swapped, drawn = random.random((2, len(words)))
        donors = donors or words
        made = [
            self._word(random, word, donors, swap=bool(one < self._how.swap), draw=two)
            for word, one, two in zip(words, swapped, drawn, strict=True)
        ]
        return " ".join(made) if isinstance(value, str) else made

    def _word(
        self, random: np.random.Generator, word: str, donors: Sequence[str], *,
        swap: bool, draw: float,
    ) -> str:  # fmt: skip
        if swap:
            return donors[int(random.integers(len(donors)))]
        if draw >= self._how.digits:
            return word
        return _DIGIT.sub(lambda found: str(_digit(random, word, found)), word)


def _digit(random: np.random.Generator, word: str, found: re.Match[str]) -> int:
    """Another digit in its place: no number begins with a 0 that did not."""
    leads = found.start() == 0 and len(word) > 1 and found.group() != "0"
    return int(random.integers(1 if leads else 0, 10))


def _words(value: Any) -> list[str]:
    """The words in a cell; none where it holds neither text nor words."""
    if isinstance(value, str):
        return value.split()
    items = listed(value)
    return list(items) if items is not None and all(isinstance(one, str) for one in items) else []
