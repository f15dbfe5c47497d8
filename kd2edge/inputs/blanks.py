"""What stands between columns and between words that were typed: ASCII blanks, and no others."""

from __future__ import annotations

#: Blank, tab and the ends of lines.  ``str.split()`` and ``str.strip()`` without an argument also
#: cut at the blanks of Unicode and at separators of ASCII, all of which can be part of a word: a
#: number is written with U+00A0, and U+3000 stands in text that has no other blank.
BLANKS = " \t\r\n"
_TO_BLANKS = str.maketrans(dict.fromkeys(BLANKS, " "))


def cut_at_blanks(text: str) -> list[str]:
    """The parts of a text that stand between ASCII blanks; none of them is empty."""
    return [part for part in text.translate(_TO_BLANKS).split(" ") if part]
