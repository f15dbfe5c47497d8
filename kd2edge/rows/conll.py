"""Column files of the CoNLL kind: one word a line, sentences apart by blank lines."""

from __future__ import annotations

import reprlib
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.inputs.blanks import BLANKS, cut_at_blanks
from kd2edge.rows.content import Content, decoded, lines_of, open_content
from kd2edge.rows.rows import Row, Rows

#: The columns from the left where nobody names them.
COLUMNS = ("tokens", "ner")
_BLANKS = BLANKS.encode()


@final
class ConllRows(Rows):
    """Sentences of a column file; each row maps a column's name to a list with one string a word.

    ``-DOCSTART-`` sentences are skipped.

    Args:
        path: the file (``.gz`` is taken too).
        columns: names of all columns from the left ("_" skips one), or name -> index, where a
            negative index counts from the right, and others may stand beside them.
        separator: what stands between columns; None is any number of ASCII blanks and tabs.
        comment: lines that begin with this are skipped; "" keeps all ("#" can be a word).

    Raises:
        DataError: no such file, or a file that is not UTF-8.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: Sequence[str] | Mapping[str, int] = COLUMNS,
        separator: str | None = None,
        comment: str = "",
    ) -> None:
        if separator is not None and (not separator or "\n" in separator):
            raise DataError(f"{path}: separator: expected characters inside a line")
        self._content = open_content(path)
        self._columns = _numbered(path, columns)
        # Fewer names than columns: the second column of many is no entity, but is read as one.
        self._names = () if isinstance(columns, Mapping) else tuple(columns)
        self._separator = separator
        self._comment = comment.encode()
        self.root = str(path.parent)
        options = [dict(self._columns), separator, comment]
        self.fingerprint = fingerprint(["conll", self._content.sha256, options])
        self._starts, self._stops = _index(self._content, self._comment)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < len(self):
            raise IndexError(f"{self._content.path} has {len(self)} rows, asked for row {position}")
        block = self._content.read(self._starts[position], self._stops[position])
        words = [
            self._fields(line, position, number)
            for number, line in enumerate(block.split(b"\n"))
            if line.strip(_BLANKS) and not _is_comment(line, self._comment)
        ]
        return {name: [fields[index] for fields in words] for name, index in self._columns.items()}

    def place(self, position: int) -> str:
        return self._place(position, 0)

    def _fields(self, line: bytes, position: int, number: int) -> list[str]:
        """The columns of a line, which is the ``number``-th of its sentence."""
        text = decoded(line, lambda: self._place(position, number)).rstrip("\r")
        if "\r" in text:
            raise DataError(
                f"{self._place(position, number)}: a lone carriage return; save the file with the "
                "line ends \\n or \\r\\n"
            )
        apart = self._separator
        fields = cut_at_blanks(text) if apart is None else text.split(apart)
        needed = max(i + 1 if i >= 0 else -i for i in self._columns.values())
        if len(fields) < needed:
            raise DataError(
                f"{self._place(position, number)}: expected at least {needed} columns, "
                f"found {len(fields)}: {reprlib.repr(fields)}; name those that it has, in options: "
                "{columns: [...]} or --option columns=..."
            )
        if self._names and any(fields[len(self._names) :]):
            place = self._place(position, number)
            raise DataError(f"{place}: {_surplus(self._names, text, fields)}")
        return fields

    def _place(self, position: int, number: int) -> str:
        return f"{self._content.path}:{self._content.line(self._starts[position]) + number}"


def _numbered(path: Path, columns: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    if isinstance(columns, Mapping):
        numbered = dict(columns)
        if not all(isinstance(one, int) for one in numbered.values()):
            raise DataError(f"{path}: columns: expected a number for each name, {columns!r:.80}")
    else:
        numbered = {name: index for index, name in enumerate(columns) if name != "_"}
    if not numbered:
        raise DataError(f"{path}: columns: expected at least one name, found none")
    return numbered


def _surplus(names: tuple[str, ...], text: str, fields: list[str]) -> str:
    """What to say of a line with more columns than have names, and what to write."""
    found = (
        f"expected {len(names)} columns ({', '.join(names)}), found {len(fields)}: "
        f"{reprlib.repr(fields)}"
    )
    if text.count("\t") + 1 == len(names):
        return f'{found}; if tabs alone stand between columns, state options: {{separator: "\\t"}}'
    skipped = ["_"] * (len(fields) - len(names))
    named = ", ".join([*names[:-1], *skipped, names[-1]])
    return f"{found}; name them all, `_` for one to skip, as in options: {{columns: [{named}]}}"


def _is_comment(line: bytes, comment: bytes) -> bool:
    return bool(comment) and line.startswith(comment)


def _index(content: Content, comment: bytes) -> tuple[array[int], array[int]]:
    """Byte offsets where sentences start and stop (16 bytes a row)."""
    starts: array[int] = array("q")
    stops: array[int] = array("q")
    start = -1  # of the open sentence; -1 between sentences
    docstart = False
    for offset, line in lines_of(content):
        blank = not line.strip(_BLANKS)
        if blank and start >= 0:
            _close(starts, stops, start, offset, docstart=docstart)
            start, docstart = -1, False
        elif not blank and not _is_comment(line, comment):
            docstart = docstart or line.startswith(b"-DOCSTART-")
            start = offset if start < 0 else start
    if start >= 0:
        _close(starts, stops, start, content.size, docstart=docstart)
    return starts, stops


def _close(starts: array[int], stops: array[int], start: int, stop: int, *, docstart: bool) -> None:
    if not docstart:
        starts.append(start)
        stops.append(stop)
