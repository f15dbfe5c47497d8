"""CSV with a header line, indexed by byte offset: quoted newlines are part of their row."""

from __future__ import annotations

import csv
import io
import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import final

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.inputs.cell import DELIMITERS
from kd2edge.rows.content import Content, decoded, lines_of, open_content
from kd2edge.rows.rows import Row, Rows

#: What separates columns where nobody says it.
DELIMITER = ","
#: Characters that mean something else already.
_TAKEN = '"\r\n\0'
#: Letters of a value; what the csv module takes on every system.
_LONGEST = 2**31 - 1
#: The limit of the csv module is one for the whole process, and a host program may have its own: it
#: is lifted for one record, where it was met.
_LIMIT = Lock()
#: What the csv module says, and what it means.
_REASONS = (
    ("unexpected end of data", "a quote is left open"),
    ("expected after", 'a quote inside a quoted value must be written twice ("")'),
    (
        "new-line character",
        "a lone carriage return; save the file with the line ends \\n or \\r\\n",
    ),
)


@final
class CsvRows(Rows):
    """Rows of a ``.csv`` or ``.csv.gz`` file.

    Every value is a string; an empty one is missing (None).  The whole file is parsed once at
    opening, so an unbalanced quote or a row of the wrong width shows there.

    Args:
        path: the file; a ``.gz`` one is kept packed in memory (about its size on disk).
        delimiter: one character.

    Raises:
        DataError: no such file, no header, a column twice, or a line that cannot be parsed.
    """

    def __init__(self, path: Path, *, delimiter: str = DELIMITER) -> None:
        if len(delimiter) != 1 or delimiter in _TAKEN:
            raise DataError(
                f"{path}: delimiter: expected one character, no quote and no line end, found"
                f" {delimiter!r:.80}"
            )
        self._content = open_content(path)
        self._delimiter = delimiter
        self.root = str(path.parent)
        self.fingerprint = fingerprint(["csv", self._content.sha256, delimiter])
        header, starts = _index(self._content, delimiter)
        self._columns = header
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(f"{self._content.path} has {len(self)} rows, asked for row {position}")
        following = position + 1
        stop = self._content.size if following == len(self) else self._starts[following]
        text = self._content.read(self._starts[position], stop).decode("utf-8")
        source = io.StringIO(text, newline="")
        reader = csv.reader(source, delimiter=self._delimiter)
        try:
            return self._row(next(reader))
        except csv.Error:  # it was read at opening: a value is too long
            source.seek(0)
            return self._row(_long_record(csv.reader(source, delimiter=self._delimiter)))

    def __iter__(self) -> Iterator[Row]:
        records = _records(self._content, self._delimiter)
        next(records, None)  # the header
        return (self._row(fields) for _, fields in records)

    def place(self, position: int) -> str:
        return f"{self._content.path}:{self._content.line(self._starts[position])}"

    def _row(self, fields: list[str]) -> Row:
        return {
            name: value if value != "" else None  # noqa: PLC1901  (other falsy values cannot occur)
            for name, value in zip(self._columns, fields, strict=True)
        }


def _index(content: Content, delimiter: str) -> tuple[tuple[str, ...], array[int]]:
    records = _records(content, delimiter)
    first = next(records, None)
    if first is None:
        raise DataError(f"{content.path}: expected a header line, found an empty file")
    header = first[1]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{content.path}:1: column {repeated[0]!r} stands in the header twice")
    starts: array[int] = array("q")
    for start, fields in records:
        if len(fields) != len(header):
            raise DataError(
                f"{content.path}:{content.line(start)}: expected {len(header)} values as in the "
                f"header, found {len(fields)}{_hint(header, delimiter)}"
            )
        starts.append(start)
    return tuple(header), starts


def _hint(header: list[str], delimiter: str) -> str:
    """What to do about a header that is one column only as another character separates them."""
    others = [mark for mark in DELIMITERS if mark != delimiter and mark in header[0]]
    if len(header) > 1 or not others:
        return ""
    mark = json.dumps(others[0])  # as YAML writes it too
    return (
        f"; the header is one column and holds {mark}: state it for the source, as in options: "
        f"{{delimiter: {mark}}}"
    )


def _records(content: Content, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Byte offset and fields of every record, blank ones left out."""
    lines, reader = _reader(content, delimiter)
    while True:
        start = lines.offset
        try:
            try:
                fields = next(reader)
            except csv.Error as error:
                if "field limit" not in str(error):
                    raise
                lines, reader = _reader(content, delimiter, start)
                fields = _long_record(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = str(error)
            reason = next((reason for mark, reason in _REASONS if mark in said), said)
            raise DataError(f"{content.path}:{content.line(start)}: not CSV: {reason}") from error
        if fields:
            yield start, fields


def _reader(content: Content, delimiter: str, start: int = 0) -> tuple[_Lines, Iterator[list[str]]]:
    lines = _Lines(content, start)
    return lines, csv.reader(lines, delimiter=delimiter, strict=True)


def _long_record(reader: Iterator[list[str]]) -> list[str]:
    """The next record, its values of any length."""
    with _LIMIT:  # or one thread would put back the limit under another's feet
        before = csv.field_size_limit(_LONGEST)
        try:
            return next(reader)
        finally:
            csv.field_size_limit(before)


@final
class _Lines:
    """Lines for ``csv.reader``, and the byte offset of the next one."""

    def __init__(self, content: Content, start: int) -> None:
        self._content = content
        self._lines = lines_of(content, start)
        self.offset = start or content.skip

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        start, line = next(self._lines)
        self.offset = start + len(line)
        return decoded(line, lambda: f"{self._content.path}:{self._content.line(start)}")
