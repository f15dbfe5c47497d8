"""Regular expressions of a ``tokenizer.json``: only those that take a time linear in the text.

``tokenizers`` hands them to an engine that backtracks: "(a+)+b" stops a service with one row.
Taken is the form that real tokenizers use (GPT-2, Llama 3, cl100k, o200k, Qwen, CLIP, Bloom, T5):
alternatives of plain characters and classes, where nothing that may fail stands behind a repetition
without an end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import final

#: Characters of a pattern; the longest known ones list the letters of a script.
_LONGEST = 2048
#: Most alternatives, and largest number in a repetition.
_MANY = 64

#: Alternatives that may give up after a long look, and what must stand behind them in the same
#: pattern: then the characters that were looked at are taken all the same, and never looked at
#: again from their second one.
_CASED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_BLANKS = (r"\s+(?!\S)", r"\s+")
_BEHIND: dict[str, tuple[str, ...]] = {
    r"\s+(?!\S)": (),
    r"\s++(?!\S)": _BLANKS,
    r"\s*[\r\n]+": _BLANKS,
    r"\s*[\r\n]": _BLANKS,
    r"\s+$": _BLANKS,
    r"\s++$": _BLANKS,
    _CASED + r"*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+": (_CASED + r"+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",),
}
#: What English leaves of "is", "not" ...; real patterns put it behind the cased words.
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"

_CHARACTER = re.compile(
    r"\\(?:[sSdDwWrntfv]|[pP]\{\^?\w{1,40}\}|x\{[0-9a-fA-F]{1,6}\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}"
    r"|[^\w\s])|[^\\()\[\]{}?*+|^$]",
    re.DOTALL,
)
# To the engine, "{1,3}+" is no possessive form but a repetition of a repetition: not taken.
_REPETITION = re.compile(r"[?*+][+?]?|\{(\d{1,4})(,?)(\d{0,4})\}(?![+?*{])")
_GROUP = re.compile(r"\(\?(?:i)?:")


def refused(pattern: str) -> str | None:
    """Why a pattern is not taken; None when it is."""
    if len(pattern) > _LONGEST:
        return f"it has {len(pattern)} characters, {_LONGEST} are taken"
    parts = _alternatives(pattern)
    if parts is None or len(parts) > _MANY:
        return "its brackets do not match, or it has too many alternatives"
    for at, part in enumerate(parts):
        known = _known(part)
        if known is None:
            reason = _Reader(part).refused()
            if reason is not None:
                return f"{reason}, in {part!r}"
        elif known and not any(_bare(later) in known for later in parts[at + 1 :]):
            return (
                f"nothing takes what {part!r} looked at in vain: {known[0]!r} must stand behind it"
            )
    return None


def _known(part: str) -> tuple[str, ...] | None:
    return _BEHIND.get(_bare(part))


def _bare(part: str) -> str:
    return part.removesuffix(_SHORT)


def _alternatives(pattern: str) -> list[str] | None:
    """The pattern cut at its outermost bars; None where brackets do not match."""
    parts, depth, start, at = list[str](), 0, 0, 0
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\":
            at += 1
        elif mark == "[":
            end = _class_end(pattern, at)
            if end is None:
                return None
            at = end - 1
        elif mark in "()":
            depth += 1 if mark == "(" else -1
        elif mark == "|" and depth == 0:
            parts.append(pattern[start:at])
            start = at + 1
        if depth < 0:
            return None
        at += 1
    return [*parts, pattern[start:]] if depth == 0 and at == len(pattern) else None


def _class_end(pattern: str, start: int) -> int | None:
    """Where the class that begins at ``start`` is over; classes may stand in classes."""
    depth, at = 0, start
    while at < len(pattern):
        mark = pattern[at]
        if mark == "\\":
            at += 1
        elif mark == "[":
            depth += 1
        elif mark == "]":
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return None


@dataclass(frozen=True, slots=True)
class _Count:
    """How often something is repeated; ``most`` None: without an end."""

    least: int
    most: int | None


@final
class _Reader:
    """Reads one alternative from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def refused(self) -> str | None:
        """Why it is not of the simple form; None when it is."""
        least, ways, endless = 0, 1, False
        while self._at < len(self._text):
            if not self._item():
                return f"{self._text[self._at :][:20]!r} is not among what is taken"
            count = self._count()
            if count is None:
                return f"a repetition is counted above {_MANY}"
            if count.least and (endless or ways > _MANY):
                return "what stands behind a long repetition may fail"
            least += count.least
            ways *= 1 if count.most is None else count.most - count.least + 1
            endless = endless or count.most is None
        return None if least else "it takes no character at all"

    def _item(self) -> bool:
        """Step over a character, a class, or a group of short words."""
        if self._text[self._at] == "[":
            end = _class_end(self._text, self._at)
            self._at = end or self._at
            return end is not None
        group = _GROUP.match(self._text, self._at)
        if group is not None:
            return self._words(group.end())
        return self._step(_CHARACTER)

    def _words(self, start: int) -> bool:
        """Step over ``(?i:'s|'t)``: nothing in it is repeated."""
        end = self._text.find(")", start)
        if end < 0 or any(
            not word or _Reader(word).repeats() for word in self._text[start:end].split("|")
        ):
            return False
        self._at = end + 1
        return True

    def repeats(self) -> bool:
        """Whether anything but single characters and classes stands here."""
        while self._at < len(self._text):
            if self._text.startswith("(", self._at) or not self._item():
                return True
        return False

    def _count(self) -> _Count | None:
        found = _REPETITION.match(self._text, self._at)
        if found is None:
            return _Count(1, 1)
        self._at = found.end()
        mark = found[0][0]
        if mark != "{":
            return {"?": _Count(0, 1), "*": _Count(0, None), "+": _Count(1, None)}[mark]
        least = int(found[1])
        most = int(found[3]) if found[3] else (None if found[2] else least)
        return _Count(least, most) if max(least, most or 0) <= _MANY else None

    def _step(self, form: re.Pattern[str]) -> bool:
        found = form.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found is not None
