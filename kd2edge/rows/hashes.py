"""Hashes and ids of rows: what tells two rows apart, and what makes two rows the same text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.inputs.cell import file_of
from kd2edge.rows.rows import Row, Rows, Taken

Hashes = npt.NDArray[np.uint64]

#: Name of a column that no row has.
_ABSENT = "\0"
#: Rows -> (columns, loose) -> the hashes of all of them, as long as the rows are there.
_KNOWN: WeakKeyDictionary[Rows, dict[tuple[tuple[str, ...], bool], Hashes]] = WeakKeyDictionary()


def row_hash(row: Row, columns: Sequence[str], *, loose: bool = False) -> int:
    """A 64-bit hash of some columns of a row; an absent column hashes like None.

    Args:
        row: the row.
        columns: the columns that count, in this order.
        loose: upper and lower case and the kind of white space do not count, and a list of words
            hashes like these words with spaces between: rows that a reader would call the same.
    """
    digest = hashlib.blake2b(digest_size=8)
    for column in columns:
        value = row.get(column)
        part = _bytes(_loosened(value) if loose else value)
        digest.update(len(part).to_bytes(8, "little"))  # or ("ab", "c") would equal ("a", "bc")
        digest.update(part)
    return int.from_bytes(digest.digest(), "little")


def row_hashes(
    rows: Rows, columns: Sequence[str], *, loose: bool = False, pictures: Sequence[str] = ()
) -> Hashes:
    """The hash of every row ``[row]``, not to be written to; keeps 8 bytes of each.

    Rows are read the first time they are asked for, wherever they stand: most rows of a source, or
    several sources as one, have the hashes of those they are taken from.  Not so where a hash holds
    pictures: a file may change under its name.

    A row that cannot be read is like no other: ``check_rows`` must meet it, and name it.

    Args:
        rows: the rows.
        columns: the columns that count, in this order.
        loose: as in :func:`row_hash`.
        pictures: those of the columns that hold images, see :func:`with_files`.
    """
    if pictures:
        placed = enumerate(readable(rows, columns))
        seen = (with_files(row, pictures, rows.root_of(position)) for position, row in placed)
        return _hashed(seen, len(rows), columns, loose=loose)
    if rows.taken:
        return np.concatenate([_taken(part, columns, loose=loose) for part in rows.taken])
    known = _KNOWN.setdefault(rows, {})
    key = (tuple(columns), loose)
    if key not in known:
        known[key] = _hashed(readable(rows, columns), len(rows), columns, loose=loose)
        known[key].flags.writeable = False
    return known[key]


def _taken(part: Taken, columns: Sequence[str], *, loose: bool) -> Hashes:
    moved = set(part.columns.values())
    names = [part.columns.get(name, _ABSENT if name in moved else name) for name in columns]
    rows, positions = part.rows, part.positions
    if positions is None:
        return row_hashes(rows, names, loose=loose)
    is_known = rows.taken or (tuple(names), loose) in _KNOWN.get(rows, {})
    if not is_known and 2 * len(positions) < len(rows):  # the others would be read for nothing
        few = (_row_or_place(rows, int(at), names) for at in positions)
        return _hashed(few, len(positions), names, loose=loose)
    return row_hashes(rows, names, loose=loose)[positions]


def _hashed(seen: Iterable[Row], count: int, columns: Sequence[str], *, loose: bool) -> Hashes:
    hashes = (row_hash(row, columns, loose=loose) for row in seen)
    return np.fromiter(hashes, dtype=np.uint64, count=count)


def with_files(row: Row, columns: Sequence[str], root: str) -> Row:
    """A row with the bytes of its files in place of their paths, which start at ``root``.

    Two folders may each have a ``0001.png``, and a file may change under its name.
    """
    files = {name: file_of(row[name]) for name in columns if name in row}
    paths = {name: path for name, path in files.items() if isinstance(path, str)}
    return {**row, **files, **{name: _content(Path(root, path)) for name, path in paths.items()}}


class PlacedRows(Protocol):
    """What :func:`files_fingerprint` needs of rows."""

    fingerprint: str

    def __len__(self) -> int: ...
    def __getitem__(self, position: int) -> Row: ...
    def root_of(self, position: int) -> str:
        """Folder that relative paths of a row start at; "" for rows of no file."""
        ...


def files_fingerprint(rows: PlacedRows, columns: Sequence[str]) -> str:
    """SHA-256 over the files that ``columns`` name: rows know only what they are called."""
    digest = hashlib.sha256()
    for position in range(len(rows)) if columns else ():
        if root := rows.root_of(position):
            row = with_files(rows[position], columns, root)
            digest.update(row_hash(row, columns).to_bytes(8, "little"))
    return digest.hexdigest()


def row_id(row: Row, position: int) -> str:
    """The row's own ``id`` where it has one, else its position."""
    own = row.get("id")
    return str(position) if own is None else str(own)


def readable(rows: Rows, columns: Sequence[str]) -> Iterator[Row]:
    """The rows, in order; one that cannot be read has its place in every one of ``columns``."""
    position = 0
    try:
        for row in rows:
            yield row
            position += 1
    except DataError:  # files read in order stop here: one by one from now on
        for at in range(position, len(rows)):
            yield _row_or_place(rows, at, columns)


def _row_or_place(rows: Rows, position: int, columns: Sequence[str]) -> Row:
    try:
        return rows[position]
    except DataError:
        return dict.fromkeys(columns, ("unreadable", rows.place(position)))


def _content(path: Path) -> bytes:
    # One that is not there is an error of its row (`check_rows`), and like no other.
    with suppress(OSError):
        if path.is_file():
            return path.read_bytes()
    return str(path).encode("utf-8", "surrogatepass")


def _loosened(value: Any) -> Any:
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return _loosened(" ".join(value))
    return value


def _bytes(value: Any) -> bytes:
    """A value as bytes; values of different types never share them."""
    if isinstance(value, np.ndarray):
        return f"array {value.dtype.str} {value.shape} ".encode() + value.tobytes()
    if isinstance(value, bytes):
        return b"bytes " + value
    if isinstance(value, float) and not np.isfinite(value):
        return f"float {value}".encode()
    if isinstance(value, Mapping):
        return b"{" + b"".join(_framed(name) + _framed(value[name]) for name in sorted(value))
    if isinstance(value, list | tuple) and not all(isinstance(item, str | int) for item in value):
        return b"[" + b"".join(_framed(item) for item in value)
    try:
        return b"json " + canonical_json(value)
    except TypeError:  # a date or the like of parquet: whether it may stand there, others say
        return f"{type(value).__name__} {value!r}".encode("utf-8", "surrogatepass")


def _framed(value: Any) -> bytes:
    part = _bytes(value)
    return len(part).to_bytes(8, "little") + part
