"""Write arrays of many rows, a range of rows at a time: only one shard is ever in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.layout import MANIFEST, Field, Layout, RecordForm, layout_to_json
from kd2edge.data.shard import Bytes, Sealed, ShardBuilder, read_sealed
from kd2edge.errors import IntegrityError
from kd2edge.files import claimed, write_atomic
from kd2edge.files.lock import PAUSE
from kd2edge.ragged import Column, Ragged, offsets_of, ranges

#: Adds some rows to the shard at hand: every field, ``[row, *shape]`` or ragged.
Append = Callable[[Mapping[str, Column]], None]
#: Appends the rows of a range, in order; returns JSON values to keep with them.
Make = Callable[[range, Append], Mapping[str, Any]]


def is_filled(folder: Path) -> bool:
    """Whether all shards of a folder are there and joined."""
    return (folder / MANIFEST).exists()


@final
class ArrayWriter:
    """Fills a folder that is read with :class:`ArrayStore`, alone or together with others.

    Each shard is written whole by whoever claims it first; those that are there already, from a
    stopped writer, another process or another machine, are taken over.
    """

    def __init__(self, directory: Path, fields: Sequence[Field], fingerprint: str) -> None:
        self._directory = directory
        self._fields = tuple(fields)
        self._form = RecordForm(fields)
        self._fingerprint = fingerprint

    def row_bytes(self, probe: Mapping[str, Column]) -> float:
        """Bytes of a row, on average over some rows."""
        builder = ShardBuilder(self._fields)
        self._append(builder, probe)
        return builder.bytes / builder.rows

    def fill(self, parts: Sequence[range], make: Make) -> list[Sealed]:
        """Make every shard that is missing, and wait for those that others make.

        Args:
            parts: the rows of each shard, one range after the other; the same for all who fill.
            make: makes one shard.

        Raises:
            ValueError: a field of another shape.
            IntegrityError: a whole number that the field's type cannot hold.
            StorageError: the disk is full, or the folder cannot be written.
        """
        found: dict[int, Sealed] = {}
        while len(found) < len(parts):
            before = len(found)
            for number, rows in enumerate(parts):
                if number not in found:
                    sealed = self._made(number, rows, make)
                    found |= {number: sealed} if sealed else {}
            if len(found) == before:
                time.sleep(PAUSE)
        return [found[number] for number in range(len(parts))]

    def join(self, filled: Sequence[Sealed], meta: Mapping[str, Any]) -> None:
        """Write the manifest of all shards, which makes the folder readable."""
        write_atomic(self._directory / MANIFEST, layout_to_json(self.layout(filled, meta)))

    def layout(self, filled: Sequence[Sealed], meta: Mapping[str, Any]) -> Layout:
        """What the manifest says: who reads the shards before they are joined needs it."""
        shards = tuple(one.shard for one in filled)
        rows = sum(shard.rows for shard in shards)
        return Layout(self._fingerprint, rows, self._fields, shards, dict(meta))

    def _made(self, number: int, rows: range, make: Make) -> Sealed | None:
        """A shard, made now unless it is there; None while somebody else makes it."""
        path = self._directory / f"{number:05d}.bin"
        sealed = read_sealed(path, rows, self._fingerprint)
        if sealed:
            return sealed
        with claimed(path.with_suffix(".lock")) as mine:
            if not mine:
                return None
            # Its maker may have let go between the look and the claim.
            return read_sealed(path, rows, self._fingerprint) or self._make(path, rows, make)

    def _make(self, path: Path, rows: range, make: Make) -> Sealed:
        builder = ShardBuilder(self._fields)
        note = make(rows, lambda chunk: self._append(builder, chunk))
        if builder.rows != len(rows):
            raise ValueError(f"{path}: {len(rows)} rows expected, {builder.rows} appended")
        sealed, content = builder.sealed(path.name, rows.start, self._fingerprint, note)
        write_atomic(path, memoryview(content))
        return sealed

    def _append(self, builder: ShardBuilder, chunk: Mapping[str, Column]) -> None:
        stored = {field.name: _as_stored(field, chunk[field.name]) for field in self._fields}
        builder.add(*_records(self._form, stored), stored)


def _records(form: RecordForm, stored: Mapping[str, Column]) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The records of a chunk, one after the other, and the size of each in bytes."""
    ragged = [_ragged(stored[field.name]) for field in form.ragged]
    rows = _rows(next(iter(stored.values())))
    counts = np.zeros((rows, len(ragged)), dtype=np.int64)  # [row, ragged field]
    for at, column in enumerate(ragged):
        counts[:, at] = column.lengths
    places = form.places(counts)
    bases = offsets_of(places.ends)  # [row + 1], bytes
    blob = np.zeros(int(bases[-1]), dtype=np.uint8)
    if ragged:
        header = bases[:-1, None] // 4 + np.arange(len(ragged))  # [row, ragged field]
        blob.view(np.int32)[header] = counts
    for field in form.plain:
        begins = bases[:-1] + form.plain_at[field.name]  # [row], bytes
        _scatter(blob, field, begins, np.ones(rows, np.int64), _plain(stored[field.name]))
    for at, (field, column) in enumerate(zip(form.ragged, ragged, strict=True)):
        _scatter(blob, field, bases[:-1] + places.begins[:, at], counts[:, at], column.values)
    return blob, places.ends


def _scatter(
    blob: Bytes,
    field: Field,
    begins: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    values: npt.NDArray[Any],
) -> None:
    """Put the items of a field where they belong, ``counts`` of them from each of ``begins``."""
    where = ranges(begins // np.dtype(field.dtype).itemsize, counts * field.size)
    blob.view(field.dtype)[where] = values.reshape(-1)


def _as_stored(field: Field, column: Column) -> Column:
    if isinstance(column, Ragged) != field.ragged:
        raise ValueError(
            f"field {field.name}: ragged is {field.ragged}, got {type(column).__name__}"
        )
    if isinstance(column, Ragged):
        return Ragged(_fitted(field, column.values), column.offsets - column.offsets[0])
    return _fitted(field, column)


def _fitted(field: Field, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.shape[1:] != field.shape:
        found = values.shape[1:]
        raise ValueError(f"field {field.name}: items of shape {field.shape} expected, got {found}")
    stored = np.ascontiguousarray(values).astype(field.dtype, copy=False)
    if (
        stored.dtype.kind in "iu"
        and values.dtype != stored.dtype
        and not np.array_equal(stored, values)
    ):
        raise IntegrityError(f"field {field.name}: a value does not fit {field.dtype}")
    return stored


def _rows(column: Column) -> int:
    return column.rows if isinstance(column, Ragged) else len(column)


def _ragged(column: Column) -> Ragged:
    assert isinstance(column, Ragged)
    return column


def _plain(column: Column) -> npt.NDArray[Any]:
    assert not isinstance(column, Ragged)
    return column
