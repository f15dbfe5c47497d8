"""Words of encoded rows: where they stand, where their pieces begin, and how they were written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, final, overload

from kd2edge.inputs.blanks import BLANKS

if TYPE_CHECKING:
    from tokenizers import Encoding

#: Start, end and text of a word.
Word = tuple[int, int, str]

#: How a word is written; 0 is for control tokens and padding.
LOWER, UPPER, TITLE, MIXED, DIGIT, OTHER = range(1, 7)
#: Rows that a table of them has.
CASING_KINDS = 7

#: What no word begins or ends with beside blanks: nothing of it is printed.
_UNSEEN = (
    "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
    + "\u00ad\u180e\u200b\u200e\u200f"
    + ("\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
)
_EDGES = _UNSEEN + "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
#: The same, and what some tokenizers write in place of a blank.
_WRITTEN_AROUND = _EDGES + "\u2581"
_BLANK, _RUN = re.compile(r"\s"), re.compile(r"\S+")
#: Blanks that end no word that was typed, and halves of surrogate pairs, which no tokenizer takes.
_HELD = re.compile(f"[^\\S{BLANKS}]|[\ud800-\udfff]")
#: Characters of a text that are cut into words at once.
_AT_ONCE = 1 << 16

#: Position of a piece (-1: beyond the length limit), start and end of what it stands for.
_Piece = tuple[int, int, int]


class TextCut(NamedTuple):
    """Where a raw text's words stand, in its characters and in its pieces.

    Args:
        words: start and end of each word, those beyond the length limit included.
        starts: position of each word's first piece; -1 beyond the length limit.
        owners: the word that each piece within the limit belongs to; None for control tokens, and
            for pieces that are blanks.
    """

    words: list[tuple[int, int]]
    starts: list[int]
    owners: list[int | None]


def cut_of(text: str, encoding: Encoding) -> TextCut:
    """The words of a raw text.

    A word is what the tokenizer's pre-tokenizer says, without the blanks at its ends; where that
    leaves blanks inside (as one that cuts nothing does), a word ends at them too.  What is nothing
    but blanks is no word, and what no piece stands for (the normaliser took it away) is none.
    """
    words: list[tuple[int, int]] = []
    starts: list[int] = []
    last = None
    for at, part in enumerate((encoding, *encoding.overflowing)):
        spans = zip(part.word_ids, part.offsets, strict=True)
        for position, (word, (start, end)) in enumerate(spans):
            if word is None:
                continue
            if word == last:
                words[-1] = (words[-1][0], end)
            else:
                words.append((start, end))
                starts.append(-1 if at else position)
                last = word
    seen = "".join([text[start:end] for start, end in words])
    # Nearly always.  Of all blanks only the usual one is printable; numbers may have gaps where the
    # model has no piece for a word.
    plain = seen.isprintable() and " " not in seen and all(start < end for start, end in words)
    if plain and last in {None, len(words) - 1}:
        return TextCut(words, starts, encoding.word_ids)
    return _cut_at_blanks(text, encoding)


def _cut_at_blanks(text: str, encoding: Encoding) -> TextCut:
    """The same, where the pre-tokenizer's words have blanks."""
    groups: dict[int, list[_Piece]] = {}
    for at, part in enumerate((encoding, *encoding.overflowing)):
        spans = zip(part.word_ids, part.offsets, strict=True)
        for position, (word, (start, end)) in enumerate(spans):
            if word is not None:
                groups.setdefault(word, []).append((-1 if at else position, start, end))
    cut = TextCut([], [], [None] * len(encoding.ids))
    for pieces in groups.values():
        begin, end = min(one[1] for one in pieces), max(one[2] for one in pieces)
        for start, stop, own in _shared(pieces, _runs(text, begin, end)):
            for position, _, _ in own:
                if position >= 0:
                    cut.owners[position] = len(cut.words)
            cut.words.append((start, stop))
            cut.starts.append(own[0][0])
    return cut


def _runs(text: str, begin: int, end: int) -> list[tuple[int, int]]:
    """Start and end of what is seen between the blanks of a part of the text."""
    part = text[begin:end]
    if part == part.strip(_EDGES) and len(part.split(None, 1)) == 1:  # nearly always
        return [(begin, end)]
    found: list[tuple[int, int]] = []
    for run in _RUN.finditer(text, begin, end):
        seen = run[0].lstrip(_EDGES)
        start = run.end() - len(seen)
        stop = start + len(seen.rstrip(_EDGES))
        if stop > start:
            found.append((start, stop))
    return found


def _shared(
    pieces: Sequence[_Piece], runs: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, Sequence[_Piece]]]:
    """Every run with its pieces: those of blanks go to the run behind them.

    A piece that reaches over a blank ("New York") is the last of one run and the first of the next.
    """
    if len(runs) == 1:
        yield (*runs[0], [one for one in pieces if one[1] < runs[0][1]] or pieces)
        return
    first = 0
    for start, stop in runs:
        last = first
        while last < len(pieces) and pieces[last][1] < stop:
            last += 1
        if first and pieces[first - 1][2] > start:
            first -= 1
        own = pieces[first:last]
        if any(end > start for _, _, end in own):
            yield start, stop, own
            first = last


@final
class TextWords(Sequence[Sequence[Word]]):
    """The words of raw texts, with their texts made when asked for: most callers never do.

    Start and end count characters of the text.
    """

    def __init__(self, texts: Sequence[str], cuts: Sequence[TextCut]) -> None:
        self._texts = texts
        self._cuts = cuts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, index: int) -> Sequence[Word]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Word]]: ...
    def __getitem__(self, index: int | slice) -> Sequence[Word] | Sequence[Sequence[Word]]:
        if isinstance(index, slice):
            return TextWords(self._texts[index], self._cuts[index])
        text = self._texts[index]
        return [(start, end, text[start:end]) for start, end in self._cuts[index].words]


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


def words_of(text: str) -> list[str]:
    """A text that nobody cut, in words: they end at ASCII blanks, and around punctuation.

    The rule is that of BERT's pre-tokenizer, but that a blank of Unicode is part of its word
    ("10\u00a0000"), as in a file with a word a line, and only at its ends is not; case is kept.
    """
    from tokenizers.pre_tokenizers import BertPreTokenizer  # most rows need no tokenizer

    # Stand-ins of the same length: half a surrogate pair is refused by the input, with its place.
    plain = _HELD.sub("x", text)
    cut = BertPreTokenizer().pre_tokenize_str
    found = [
        text[begin + start : begin + end].strip(_EDGES)
        for begin, end in _portions(plain)
        for _, (start, end) in cut(plain[begin:end])
    ]
    return [word for word in found if word]


def _portions(text: str) -> Iterator[tuple[int, int]]:
    """Parts of a text that can be cut one after the other: they end at blanks."""
    begin = 0
    while len(text) - begin > _AT_ONCE:
        blank = _BLANK.search(text, begin + _AT_ONCE)
        end = blank.start() if blank else len(text)
        yield begin, end
        begin = end
    yield begin, len(text)


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

    Digits beside letters do not count ("3rd" is lower), nor do letters without case, blanks at the
    ends and the mark that some tokenizers write for them.
    """
    word = word.strip(_WRITTEN_AROUND)
    if word.islower():
        return LOWER
    if word.isupper():
        return UPPER
    if word[:1].isupper() and word[1:].islower():
        return TITLE
    if any(letter.isupper() or letter.islower() for letter in word):
        return MIXED
    return DIGIT if any(letter.isdigit() for letter in word) else OTHER
