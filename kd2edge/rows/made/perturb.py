"""Texts with words left out, replaced and exchanged, and spans of texts alone."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from kd2edge.rows.made.maker import Maker, Making, words_in, written_as
from kd2edge.rows.rows import Row, Rows


@final
class Perturb(Maker):
    """Each text by itself, its words changed by chance.

    The three rules of Tang et al. 2019 (arXiv 1903.12136, section 3.3): masking, replacing words by
    others of their part of speech, and sampling an n-gram of 1 to 5 words in place of the text.  A
    masked word is left out here, as in the word dropout of Iyyer et al. 2015: a text goes through
    tokenizers of which not all know a mask.  What replaces a word is what another row has in its
    place, which needs no tagger.  Exchanging neighbours is the random swap of Wei and Zou 2019
    (arXiv 1901.11196).

    Options: ``drop``, ``replace``, ``swap`` (shares of the words: left out, replaced, exchanged
    with the next), ``ngram`` (share of the rows of which a span alone is kept), ``longest`` (most
    words of such a span).
    """

    rule = 1
    changes = "words"

    def __init__(self, rows: Rows, how: Making) -> None:
        self._rows = rows
        self._columns = how.words
        self._drop, self._replace = how.options["drop"], how.options["replace"]
        self._swap, self._ngram = how.options["swap"], how.options["ngram"]
        self._longest = how.options["longest"]

    def make(self, position: int, random: np.random.Generator) -> Row:
        row = self._rows[position]
        donor = self._rows[int(random.integers(len(self._rows)))]
        made = {
            column: self._made(random, row[column], words_in(donor.get(column)))
            for column in self._columns
            if column in row
        }
        return {**row, **made}

    def _made(self, random: np.random.Generator, value: Any, donors: list[str]) -> Any:
        words = words_in(value)
        if not words:
            return value
        dropped, replaced, exchanged = random.random((3, len(words)))
        last = int(random.integers(len(words)))  # stays where every word would go
        words = [
            donors[at] if replaced[at] < self._replace and at < len(donors) else word
            for at, word in enumerate(words)
        ]
        for at in range(len(words) - 1):
            if exchanged[at] < self._swap:
                words[at], words[at + 1] = words[at + 1], words[at]
        kept = [word for word, one in zip(words, dropped, strict=True) if one >= self._drop]
        return written_as(value, self._span(random, kept or [words[last]]))

    def _span(self, random: np.random.Generator, words: list[str]) -> list[str]:
        if random.random() >= self._ngram:
            return words
        size = 1 + int(random.integers(min(self._longest, len(words))))
        start = int(random.integers(len(words) - size + 1))
        return words[start : start + size]
