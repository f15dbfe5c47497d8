"""JSON lines as they come, from a file or a pipe: read once, in order, some of them in memory.

The same bytes are the same rows wherever they come from: the locale has no say, a byte-order mark
is stepped over, and what is packed with gzip is unpacked, whatever its name.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast, final

from kd2edge.errors import DataError, StorageError
from kd2edge.inputs.blanks import BLANKS
from kd2edge.rows.content import BOM, GZIP, GZIP_DAMAGE, LOOKED_AT, damaged_gzip, wide_encoding
from kd2edge.rows.jsonl import row_of_line
from kd2edge.rows.rows import Row

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLANKS = BLANKS.encode()
_HEAD = 4  # bytes that tell how the rest is written
#: Most bytes of a line: what never ends is refused before memory does.
_LONGEST = 1 << 28


@final
@dataclass(frozen=True, slots=True)
class PlacedRow:
    """A row, and where it stands."""

    values: Row
    place: str


def json_lines(source: Path | BinaryIO, name: str) -> Iterator[PlacedRow]:
    """The rows of a file or stream; blank lines are skipped, and count.

    Args:
        source: the file, or an open stream of bytes, which is not closed.
        name: what places call it.

    Raises:
        DataError: no such file, a line that is no JSON object, or bytes that are no UTF-8.
        StorageError: it cannot be read.
    """
    try:
        with ExitStack() as opened:
            raw = opened.enter_context(source.open("rb")) if isinstance(source, Path) else source
            for number, line in enumerate(_lines(_unpacked(raw), name), start=1):
                if line.strip(_BLANKS):
                    place = f"{name}:{number}"
                    yield PlacedRow(row_of_line(line, place), place)
    except GZIP_DAMAGE as error:
        raise damaged_gzip(name, error) from error
    except FileNotFoundError as error:
        raise DataError(f"{name}: no such file") from error
    except OSError as error:
        raise StorageError(f"{name}: cannot be read: {error.strerror or error}") from error


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    first = stream.readline(_LONGEST + 1)
    if other := wide_encoding(first[:LOOKED_AT]):
        raise DataError(f"{name}: this is {other}; save it as UTF-8")
    line = first.removeprefix(BOM)
    number = 1
    while line:
        if len(line) > _LONGEST:
            raise DataError(f"{name}:{number}: longer than the {_LONGEST:,} bytes a row may have")
        yield line
        line = stream.readline(_LONGEST + 1)
        number += 1


def _unpacked(stream: BinaryIO) -> BinaryIO:
    head = stream.read(_HEAD)
    whole = cast("BinaryIO", io.BufferedReader(_Rejoined(head, stream)))
    return cast("BinaryIO", gzip.open(whole)) if head.startswith(GZIP) else whole


@final
class _Rejoined(io.RawIOBase):
    """A stream from its start again, after some bytes were read from it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        space = memoryview(buffer).cast("B")
        if self._head:
            found, self._head = self._head[: len(space)], self._head[len(space) :]
        else:
            # What is there now: a row in a pipe must not wait for the next one.
            more = getattr(self._rest, "read1", self._rest.read)
            found = more(len(space))
        space[: len(found)] = found
        return len(found)
