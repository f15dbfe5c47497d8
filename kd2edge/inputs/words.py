"""Words of encoded rows: where they stand, where their pieces begin, and how they were written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, final, overload

if TYPE_CHECKING:
    from tokenizers import Encoding

#: Start, end and text of a word.
Word = tuple[int, int, str]

#: How a word is written; 0 is for control tokens and padding.
LOWER, UPPER, TITLE, MIXED, DIGIT, OTHER = range(1, 7)


@final
class TextWords(Sequence[Sequence[Word]]):
    """The words of raw texts, made when asked for: most callers never do.

    A word is what the tokenizer's pre-tokenizer says; start and end count characters of the text.
    """

    def __init__(self, texts: Sequence[str], encodings: Sequence[Encoding]) -> None:
        self._texts = texts
        self._encodings = encodings

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> Sequence[Word]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Word]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[Word] | Sequence[Sequence[Word]]:
        if isinstance(index, slice):
            return TextWords(self._texts[index], self._encodings[index])
        return _words_of(self._texts[index], self._encodings[index])


@final
class ListWords(Sequence[Sequence[Word]]):
    """The words of rows that are lists of words already, made when asked for.

    Start and end count characters of the words joined by single blanks.
    """

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sequence[Word]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Word]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[Word] | Sequence[Sequence[Word]]:
        if isinstance(index, slice):
            return ListWords(self._rows[index])
        words: list[Word] = []
        start = 0
        for word in self._rows[index]:
            words.append((start, start + len(word), word))
            start += len(word) + 1
        return words


def _words_of(text: str, encoding: Encoding) -> list[Word]:
    """Words of one text, those beyond the length limit included."""
    spans: dict[int, tuple[int, int]] = {}
    for part in (encoding, *encoding.overflowing):
        for word, (start, end) in zip(part.word_ids, part.offsets, strict=True):
            if word is not None:
                spans[word] = (spans[word][0] if word in spans else start, end)
    return [
        (start, end, text[start:end])
        for start, end in (spans.get(word, (0, 0)) for word in range(word_count(encoding)))
    ]


def word_count(encoding: Encoding) -> int:
    """How many words a raw text has, those beyond the length limit included."""
    last = encoding.overflowing[-1] if encoding.overflowing else encoding
    return 1 + next((word for word in reversed(last.word_ids) if word is not None), -1)


def first_pieces(word_ids: Sequence[int | None], count: int) -> list[int]:
    """Position of the first piece of each word; -1 where none is left within the length limit."""
    starts = [-1] * count
    for position in range(len(word_ids) - 1, -1, -1):  # backwards: the first piece wins
        word = word_ids[position]
        if word is not None:
            starts[word] = position
    return starts


@lru_cache(maxsize=1 << 14)
def casing(word: str) -> int:
    """How a word is written: "card", "NATO", "Paris", "iPhone", "3.5" or "!", in the order above.

    Digits beside letters do not count ("3rd" is lower), nor do letters without case.
    """
    if word.islower():
        return LOWER
    if word.isupper():
        return UPPER
    if word[:1].isupper() and word[1:].islower():
        return TITLE
    if any(letter.isupper() or letter.islower() for letter in word):
        return MIXED
    return DIGIT if any(letter.isdigit() for letter in word) else OTHER
