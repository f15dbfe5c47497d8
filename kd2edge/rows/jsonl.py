"""JSON lines: one object a line, indexed by byte offset (8 bytes a row)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.inputs.cell import described
from kd2edge.json_text import json_value
from kd2edge.rows.content import CHUNK, Content, decoded, open_content
from kd2edge.rows.rows import Row, Rows
from kd2edge.wording import value

_WHITE = np.zeros(256, dtype=np.bool_)
_WHITE[list(b" \t\r\n")] = True


@final
class JsonlRows(Rows):
    """Rows of a ``.jsonl`` or ``.jsonl.gz`` file.

    Blank lines are skipped, CRLF and a byte-order mark are taken, the last line may lack its
    newline.  Lines are parsed when a row is asked for, so a broken one shows when it is read
    (``check_rows`` reads them all).

    Raises:
        DataError: no such file, or a file that is not UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self._content = open_content(path)
        self.root = str(path.parent)
        self.fingerprint = fingerprint(["jsonl", self._content.sha256])
        self._starts = line_starts(self._content)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position: int) -> Row:
        start, stop = self._span(position)
        return self._parsed(self._content.read(start, stop), position)

    def __iter__(self) -> Iterator[Row]:
        # In order: one read a chunk instead of one a row.
        at, held = 0, b""
        for position in range(len(self)):
            start, stop = self._span(position)
            if stop > at + len(held):
                at, held = start, self._content.read(start, max(stop, start + CHUNK))
            yield self._parsed(held[start - at : stop - at], position)

    def place(self, position: int) -> str:
        return f"{self._content.path}:{self._content.line(int(self._starts[position]))}"

    def _span(self, position: int) -> tuple[int, int]:
        if not 0 <= position < len(self):
            raise IndexError(f"{self._content.path} has {len(self)} rows, asked for row {position}")
        following = position + 1
        stop = self._content.size if following == len(self) else int(self._starts[following])
        return int(self._starts[position]), stop

    def _parsed(self, line: bytes, position: int) -> Row:
        text = decoded(line, lambda: self.place(position))
        try:
            return _row(text)
        except ValueError as error:  # its place takes counting lines: only asked for now
            raise DataError(f"{self.place(position)}: {error}") from error


def row_of_line(line: bytes, place: str) -> Row:
    """The row in a line of JSON.

    Raises:
        DataError: it is no JSON object, or no UTF-8.
    """
    text = decoded(line, lambda: place)
    try:
        return _row(text)
    except ValueError as error:
        raise DataError(f"{place}: {error}") from error


def _row(text: str) -> Row:
    try:
        row = json_value(text, strict=False)  # NaN is for whoever reads the column to refuse
    except ValueError as error:
        raise ValueError(_why_no_json(text.strip(), error)) from error
    if not isinstance(row, dict):
        lines = "; JSON lines have one a line, no list around them" * isinstance(row, list)
        raise ValueError(f"expected a JSON object, found {described(row)}{lines}")
    return row


def _why_no_json(text: str, error: Exception) -> str:
    if text.startswith("\ufeff"):
        return "a byte-order mark inside the file (files joined to one?); remove it"
    if "\r" in text:
        return "a lone carriage return; save the file with the line ends \\n or \\r\\n"
    if text.endswith("},"):
        return "a comma behind the object; JSON lines have one object a line, and nothing between"
    if text in {"{", "["}:
        return "JSON over several lines, or a list; JSON lines have one object a line, no brackets"
    if text.startswith("{") and not text.endswith("}"):
        end = text[-30:]
        return f"the line is cut off: it ends with {end!r}, expected '}}' (one object a line)"
    if text[:1].isalpha() and text not in {"NaN", "Infinity"}:  # plain text, as people pipe it
        return f'not JSON: expected an object a line, as {{"text": "..."}}, found \'{value(text)}\''
    return f"not JSON: {error}"


def line_starts(content: Content) -> npt.NDArray[np.int64]:
    """Byte offset of every line that is not blank; a byte-order mark is stepped over.

    Blank lines lie inside the span of the row before them, where the JSON parser skips them.
    """
    skip = content.skip
    kept: list[npt.NDArray[np.int64]] = []
    base, line_start, has_text = 0, skip, False  # the line that the last chunk left open
    for chunk in content.chunks():
        values = np.frombuffer(chunk, dtype=np.uint8)
        text = ~_WHITE[values]
        if base == 0:
            text[:skip] = False
        ends = np.flatnonzero(values == ord("\n"))
        # The chunk's lines: the open one, then one after each newline.
        starts = np.concatenate([[line_start], base + ends + 1]).astype(np.int64)
        edges = np.concatenate([[0], ends + 1])
        filled = _any_between(text, edges)
        filled[0] |= has_text
        kept.append(starts[:-1][filled[:-1]])
        line_start, has_text = int(starts[-1]), bool(filled[-1])
        base += len(chunk)
    if has_text:
        kept.append(np.array([line_start], dtype=np.int64))
    return np.concatenate(kept) if kept else np.zeros(0, dtype=np.int64)


def _any_between(
    text: npt.NDArray[np.bool_], edges: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Whether any byte is text from each edge to the next (the last one: to the end)."""
    count = np.concatenate([[0], np.cumsum(text, dtype=np.int64)])
    stops = np.append(edges[1:], len(text))
    return count[stops] > count[edges]
