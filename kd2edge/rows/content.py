"""The bytes of a data file by range: plain files from disk, gzip files from packed blocks."""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import final

from kd2edge.errors import DataError, StorageError
from kd2edge.files.fingerprint import fingerprint_file
from kd2edge.wording import meant

#: The mark that some editors begin UTF-8 text with.
BOM = b"\xef\xbb\xbf"
#: Marks of wide encodings; that of UTF-32 begins with that of UTF-16.
_WIDE_MARKS = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
#: Bytes that tell the encoding.
LOOKED_AT = 512
#: What a gzip file begins with.
GZIP = b"\x1f\x8b"
#: What reading a damaged gzip file raises.
GZIP_DAMAGE = (gzip.BadGzipFile, EOFError, zlib.error)

#: Bytes handled at a time, so that opening a file takes the same memory whatever its size.
CHUNK = 1 << 18


class Content(ABC):
    """Uncompressed bytes of one data file, by range.  Thread-safe, and safe over a fork."""

    #: The file, as the caller named it.
    path: Path
    #: Bytes after decompression.
    size: int
    #: SHA-256 (hex) of the file as it stands on disk.
    sha256: str
    #: Newlines before each chunk, once a line was asked for.
    _newlines: list[int] | None = None

    @abstractmethod
    def read(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (fewer at the end of the file)."""

    def chunks(self, first: int = 0) -> Iterator[bytes]:
        """All bytes, a piece at a time, from the ``first`` piece on."""
        return (self.read(at, at + CHUNK) for at in range(first * CHUNK, self.size, CHUNK))

    @property
    def skip(self) -> int:
        """Length of the byte-order mark that the text starts after.

        Raises:
            DataError: UTF-16 or UTF-32, with its mark or without.
        """
        start = self.read(0, LOOKED_AT)
        other = wide_encoding(start)
        if other:
            raise DataError(f"{self.path}: this is {other}; save it as UTF-8")
        return len(BOM) if start.startswith(BOM) else 0

    def line(self, offset: int) -> int:
        """Number of the line (from 1) that holds the byte at ``offset``.

        The first call counts the newlines of the whole file, later ones read one chunk.
        """
        if self._newlines is None:
            counts = (chunk.count(b"\n") for chunk in self.chunks())
            self._newlines = list(accumulate(counts, initial=0))
        number = offset // CHUNK
        rest = self.read(number * CHUNK, offset)
        return 1 + self._newlines[number] + rest.count(b"\n")


def lines_of(content: Content, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Byte offset and bytes of every line from ``start`` on, its newline included.

    The first one begins after the byte-order mark.
    """
    start = start or content.skip
    held: list[bytes] = []  # pieces of the line that the last chunk left open
    first, inside = divmod(start, CHUNK)
    for number, chunk in enumerate(content.chunks(first)):
        *whole, rest = (chunk[inside:] if number == 0 else chunk).split(b"\n")
        for end in whole:
            line = b"".join([*held, end, b"\n"])
            yield start, line
            start += len(line)
            held.clear()
        held.append(rest)
    last = b"".join(held)
    if last:
        yield start, last


def wide_encoding(start: bytes) -> str:
    """``UTF-16`` or ``UTF-32`` where a file that starts so is text of two or four bytes a letter.

    Without a mark it shows by the zero bytes, at the same places, of letters that ASCII has too.
    """
    for mark, name in _WIDE_MARKS:
        if start.startswith(mark):
            return name
    zeros = [start[at::4].count(0) for at in range(4)]
    quarter = len(start) // 4
    if quarter and sum(count > quarter / 2 for count in zeros) == 3:
        return "UTF-32"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    return "UTF-16" if max(even, odd) > quarter and min(even, odd) <= quarter // 4 else ""


def decoded(line: bytes, place: Callable[[], str]) -> str:
    """The text of a line.

    Args:
        line: its bytes.
        place: says where it stands, when that is needed.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{place()}: {not_utf8(error)}") from error


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is wrong with bytes that are no UTF-8, and what they were likely meant as."""
    byte = error.object[error.start : error.start + 1]
    meant = byte.decode("cp1252", "ignore")
    guess = f", {meant!r} in the Windows encoding cp1252" if meant.isprintable() and meant else ""
    return (
        f"not UTF-8 text: byte 0x{byte.hex()} at {error.start + 1} of the line{guess}; "
        "save the file as UTF-8"
    )


def damaged_gzip(place: str, error: Exception) -> DataError:
    """The error that says that a gzip file is not whole."""
    return DataError(f"{place}: not a whole gzip file ({error}); copy it again")


def open_content(path: Path) -> Content:
    """Open a data file; a gzip file is decompressed whatever its name, ``.gz`` has to be one.

    Raises:
        DataError: no such file, a folder, or a damaged gzip file.
        StorageError: the file cannot be read.
    """
    require_file(path)
    packed = path.suffix.lower() == ".gz" or _begins_with(path, GZIP)
    return PackedContent(path) if packed else PlainContent(path)


def _begins_with(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as handle:
            return handle.read(len(mark)) == mark
    except OSError as error:
        raise _unreadable(path, error) from error


def require_file(path: Path) -> None:
    """Refuse a path that is no file, with the likeliest reason.

    Raises:
        DataError: no such file (the message names the nearest one), or a folder.
    """
    if not path.is_file():
        raise DataError(f"{path}: {_absent(path)}")


def _absent(path: Path) -> str:
    if path.is_dir():
        return "expected a data file, found a folder"
    if path.exists():
        return "expected a data file, found a pipe or a device; write what comes from it to a file"
    if not path.parent.is_dir():
        return f"no such file: the folder {path.parent} does not exist (check data.root)"
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    return f"no such file{meant(path.name, names, before='; ')}"


@final
class PlainContent(Content):
    """A plain file: nothing of it is kept in memory.

    The file is opened for each read (a few microseconds): no handle to leak, and a forked worker
    shares no file position with its parent.  A memory map would count the pages it has touched as
    resident memory of the process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = fingerprint_file(path)
        self.size = path.stat().st_size

    def read(self, start: int, stop: int) -> bytes:
        try:
            with self.path.open("rb", buffering=0) as handle:
                handle.seek(start)
                return handle.read(stop - start)
        except OSError as error:
            raise _unreadable(self.path, error) from error


@final
class PackedContent(Content):
    """A gzip file, kept in memory as packed blocks: about the file's size on disk.

    Random access unpacks one block (256 KiB, about 1 ms); the last one is kept, so that reading in
    order unpacks each block once.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = fingerprint_file(path)
        self._blocks: list[bytes] = []
        self._last: tuple[int, bytes] = (-1, b"")
        try:
            with gzip.open(path, "rb") as handle:
                size = 0
                while block := handle.read(CHUNK):
                    size += len(block)
                    self._blocks.append(zlib.compress(block, 6))
        except GZIP_DAMAGE as error:
            raise damaged_gzip(str(path), error) from error
        except OSError as error:
            raise _unreadable(path, error) from error
        self.size = size

    def read(self, start: int, stop: int) -> bytes:
        stop = min(stop, self.size)
        if start >= stop:
            return b""
        first, last = start // CHUNK, (stop - 1) // CHUNK
        whole = b"".join(self._block(index) for index in range(first, last + 1))
        return whole[start - first * CHUNK : stop - first * CHUNK]

    def _block(self, index: int) -> bytes:
        # Read once into a local: another thread may replace the pair at any time.
        kept = self._last
        if kept[0] != index:
            kept = (index, zlib.decompress(self._blocks[index]))
            self._last = kept
        return kept[1]


def _unreadable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be read: {error.strerror or error}")
