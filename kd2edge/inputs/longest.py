"""How much of a text a tokenizer is given: all that could matter, and no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar, cast, final

Row = TypeVar("Row", bound="str | Sequence[str]")

#: Characters that count for each piece of ``max_length``; words have 5, the longest pieces 128.
PER_PIECE = 1024
#: Characters in all, those that do not count included: 45 MB in the tokenizer's hands.
IN_ALL = 1 << 18
#: What counts: no blanks, and nothing that is not printed, as normalisers leave it out.
_COUNTED = re.compile(
    "[^\\s\x00-\x1f\x7f-\x9f\u00ad\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]+"
)


@final
class AtMost:
    """Cuts texts and lists of words that are too long for their rest to be meant.

    Tokenizers take hundreds of bytes a character before any limit of pieces is looked at.  Nothing
    changes for a row whose first ``max_length`` pieces stand within ``1024 * max_length`` printed
    characters (262,144 at most).

    Args:
        max_length: longest row in pieces; None: no limit.
    """

    def __init__(self, max_length: int | None) -> None:
        self.counted = IN_ALL if max_length is None else min(PER_PIECE * max_length, IN_ALL)

    def of(self, row: Row) -> Row:
        """The row, or as much of its beginning as is looked at."""
        if isinstance(row, str):
            return row if len(row) <= self.counted else cast("Row", row[: self._end(row)])
        if sum(map(len, row)) + len(row) <= self.counted:
            return row
        return cast("Row", self._words(row))

    def _end(self, text: str) -> int:
        left = self.counted
        for found in _COUNTED.finditer(text, 0, IN_ALL):
            left -= found.end() - found.start()
            if left <= 0:
                return found.end() + left
        return min(len(text), IN_ALL)

    def _words(self, words: Sequence[str]) -> list[str]:
        kept, counted, in_all = list[str](), self.counted, IN_ALL
        for word in words:
            if counted <= 0 or in_all <= 0:
                break
            short = word if len(word) <= counted else word[: self._end(word)]
            kept.append(short)
            in_all -= len(short) + 1
            counted -= sum(len(part) for part in _COUNTED.findall(short))
        return kept
