"""Write arrays of many rows in a stream: only one shard is ever in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.layout import ALIGN, MANIFEST, Field, Layout, RecordForm, Shard, layout_to_json
from kd2edge.errors import IntegrityError
from kd2edge.files import folder_lock, write_atomic
from kd2edge.json_text import json_value
from kd2edge.ragged import Column, Ragged, offsets_of, ranges

Bytes = npt.NDArray[np.uint8]
#: A shard is written when it holds this many bytes: small enough to forget, large enough to be few.
SHARD_BYTES = 8 << 20


@contextmanager
def to_fill(folder: Path) -> Generator[bool]:
    """Whether a folder's arrays are still to be written; if so, this process alone may do it.

    Runs that share a cache would else write the same shards at once, each over the other's.

    Raises:
        StorageError: another process is writing them.
    """
    if (folder / MANIFEST).exists():  # without the lock: a cache may be read-only
        yield False
        return
    with folder_lock(folder):
        yield not (folder / MANIFEST).exists()


@final
class ArrayWriter:
    """Collects chunks of rows into shards of a folder that is read with :class:`ArrayStore`.

    Shards that an earlier, stopped writer finished with the same fingerprint are taken over:
    ``rows`` says how many rows are there already, and the caller goes on from there.
    """

    def __init__(self, directory: Path, fields: Sequence[Field], fingerprint: str) -> None:
        self._directory = directory
        self._fields = tuple(fields)
        self._form = RecordForm(fields)
        self._fingerprint = fingerprint
        self._pending = _Pending(self._fields)
        self._shards = self._finished_shards()

    @property
    def rows(self) -> int:
        """Rows in finished shards."""
        return sum(shard.rows for shard in self._shards)

    def append(self, chunk: Mapping[str, Column]) -> None:
        """Add some rows: every field, ``[row, *shape]`` or ragged.

        Raises:
            ValueError: a field of another shape.
            IntegrityError: a whole number that the field's type cannot hold.
        """
        stored = {field.name: _as_stored(field, chunk[field.name]) for field in self._fields}
        self._pending.add(*_records(self._form, stored), stored)
        if self._pending.bytes >= SHARD_BYTES:
            self._flush()

    def finish(self, meta: Mapping[str, Any]) -> None:
        """Write what is pending and the manifest, which makes the folder readable."""
        self._flush()
        shards = tuple(self._shards)
        layout = Layout(self._fingerprint, self.rows, self._fields, shards, dict(meta))
        write_atomic(self._directory / MANIFEST, layout_to_json(layout))
        for record in self._directory.glob("[0-9]*.json"):
            record.unlink()

    def _flush(self) -> None:
        if not self._pending.bytes:
            return
        name = f"{len(self._shards):05d}"
        shard, content = self._pending.shard(f"{name}.bin", self.rows)
        write_atomic(self._directory / shard.file, memoryview(content))
        # The record of a finished shard lets a stopped writer go on; the manifest replaces it.
        record = {"fingerprint": self._fingerprint, "shard": asdict(shard)}
        write_atomic(self._directory / f"{name}.json", json.dumps(record).encode())
        self._shards.append(shard)
        self._pending = _Pending(self._fields)

    def _finished_shards(self) -> list[Shard]:
        found: list[Shard] = []
        for record in sorted(self._directory.glob("[0-9]*.json")):
            shard = self._finished_shard(record)
            if shard is None or shard.start != sum(one.rows for one in found):
                break
            found.append(shard)
        return found

    def _finished_shard(self, record: Path) -> Shard | None:
        try:
            document = json_value(record.read_bytes(), strict=False)
            if document["fingerprint"] != self._fingerprint:
                return None
            shard = Shard(**document["shard"])
            content = (self._directory / shard.file).read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return None  # half-written by a killed process: it is simply made again
        return shard if hashlib.sha256(content).hexdigest() == shard.sha256 else None


@final
class _Pending:
    """Rows that are not in a shard yet."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._resident = [field for field in fields if field.resident]
        self._blobs: list[Bytes] = []
        self._sizes: list[npt.NDArray[np.int64]] = []
        self._columns: dict[str, list[npt.NDArray[Any]]] = {one.name: [] for one in self._resident}
        self.bytes = 0

    def add(self, blob: Bytes, sizes: npt.NDArray[np.int64], columns: Mapping[str, Column]) -> None:
        """Add records of these sizes, and what stands beside them."""
        self._blobs.append(blob)
        self._sizes.append(sizes)
        self.bytes += blob.nbytes
        for name, parts in self._columns.items():
            column = columns[name]
            assert not isinstance(column, Ragged)
            parts.append(column)
            self.bytes += column.nbytes

    def shard(self, file: str, start: int) -> tuple[Shard, bytearray]:
        """All of it as a shard, and its bytes."""
        content = bytearray()
        for blob in self._blobs:
            content.extend(blob.data)
        sizes = np.concatenate(self._sizes)
        index_at = _put(content, offsets_of(sizes))
        columns_at = {
            name: _put(content, np.concatenate(parts)) for name, parts in self._columns.items()
        }
        digest = hashlib.sha256(content).hexdigest()
        shard = Shard(file, start, len(sizes), len(content), digest, index_at, columns_at)
        return shard, content


def _records(form: RecordForm, stored: Mapping[str, Column]) -> tuple[Bytes, npt.NDArray[np.int64]]:
    """The records of a chunk, one after the other, and the size of each in bytes."""
    ragged = [_ragged(stored[field.name]) for field in form.ragged]
    rows = _rows(next(iter(stored.values())))
    counts = np.zeros((rows, len(ragged)), dtype=np.int64)
    for at, column in enumerate(ragged):
        counts[:, at] = column.lengths
    places = form.places(counts)
    bases = offsets_of(places.ends)
    blob = np.zeros(int(bases[-1]), dtype=np.uint8)
    if ragged:
        header = bases[:-1, None] // 4 + np.arange(len(ragged))
        blob.view(np.int32)[header] = counts
    for field in form.plain:
        begins = bases[:-1] + form.plain_at[field.name]
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


def _put(content: bytearray, values: npt.NDArray[Any]) -> int:
    content.extend(bytes(-len(content) % ALIGN))
    at = len(content)
    content.extend(values.tobytes())
    return at
