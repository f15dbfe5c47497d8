"""Read arrays of many rows from disk, a few at a time: memory does not grow with their number."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.layout import Field, Layout, RecordForm, Shard, advice, read_layout
from kd2edge.errors import IntegrityError
from kd2edge.files import fingerprint_file
from kd2edge.ragged import Column, Ragged, concatenated, offsets_of, ranges

Positions = npt.NDArray[np.int64]
#: Folders up to this size may stay in memory whole.
_SMALL = 16 << 20
#: Rows that are read together when a whole column is asked for.
_CHUNK = 512


class _Records(NamedTuple):
    """Some records, one after the other."""

    positions: bytes  # of the rows: compared at every field of a batch
    content: npt.NDArray[np.uint8]
    bases: Positions  # [row] where each begins


@final
class ArrayStore:
    """A folder that :class:`ArrayWriter` wrote, memory-mapped.  Opening verifies every byte.

    Args:
        directory: the folder.
        layout: of its shards, where they are not joined yet; else that of its manifest.

    Raises:
        IntegrityError: a file is missing or its bytes are not the ones that were written.
    """

    def __init__(self, directory: Path, layout: Layout | None = None) -> None:
        layout = read_layout(directory) if layout is None else layout
        self.rows = layout.rows
        self.fingerprint = layout.fingerprint
        self.meta: Mapping[str, Any] = layout.meta
        self.fields: Mapping[str, Field] = {field.name: field for field in layout.fields}
        self._form = RecordForm(layout.fields)
        self._maps = [_verified_map(directory, shard) for shard in layout.shards]
        self._starts = np.array([shard.start for shard in layout.shards], dtype=np.int64)
        self._index = _indexed(layout.shards, self._maps)
        self._resident = _resident(layout, self._maps)
        self.bytes = sum(shard.bytes for shard in layout.shards)
        self._table = self._table_of_small()
        self._last: _Records | None = None

    def take(self, name: str, positions: Positions) -> npt.NDArray[Any]:
        """Values ``[row, *shape]`` of a plain field at some rows."""
        if name in self._resident:
            return self._resident[name][positions]
        field, records = self.fields[name], self._records(positions)
        at = self._form.plain_at[name]
        if self._form.ragged:
            ones = np.ones(len(positions), np.int64)
            values = _gathered(records, field, records.bases + at, ones)
        else:  # records of one size: pictures are copied a row at a time, not a value
            table = records.content.reshape(len(positions), -1)  # [row, byte]
            values = np.array(table[:, at : at + field.bytes], order="C").view(field.dtype)
        return values.reshape(len(positions), *field.shape)

    def take_ragged(self, name: str, positions: Positions) -> Ragged:
        """Values of a ragged field at some rows, in the order of ``positions``."""
        field, records = self.fields[name], self._records(positions)
        at = [one.name for one in self._form.ragged].index(name)
        header = records.bases[:, None] // 4 + np.arange(len(self._form.ragged))  # [row, field]
        counts = records.content.view(np.int32)[header].astype(np.int64)  # [row, field]
        begins = records.bases + self._form.places(counts).begins[:, at]  # [row], bytes
        values = _gathered(records, field, begins, counts[:, at])
        return Ragged(values.reshape(-1, *field.shape), offsets_of(counts[:, at]))

    def column(self, name: str) -> Column:
        """A whole field in memory."""
        if name in self._resident:
            return self._resident[name]
        take = self.take_ragged if self.fields[name].ragged else self.take
        every = np.arange(self.rows, dtype=np.int64)
        chunks = np.split(every, range(_CHUNK, self.rows, _CHUNK))
        return concatenated([take(name, chunk) for chunk in chunks])

    def _records(self, positions: Positions) -> _Records:
        """The records of some rows; those of the last call are still at hand for another field."""
        last, asked = self._last, positions.tobytes()
        if last is not None and last.positions == asked:
            return last
        if self._table is None:
            bases, content = self._joined(positions)
        else:
            bases = np.arange(len(positions)) * self._table.shape[1]
            content = self._table[positions].reshape(-1)
        records = self._last = _Records(asked, content, bases)
        return records

    def _joined(self, positions: Positions) -> tuple[Positions, npt.NDArray[np.uint8]]:
        owners = (np.searchsorted(self._starts, positions, side="right") - 1).tolist()
        # Of shard s, record i begins at its index s + i: each shard has one entry more than rows.
        entries = positions + owners  # [row]
        begins, ends = self._index[entries], self._index[entries + 1]
        read = _read_small if self.bytes <= _SMALL else _read
        parts = [
            read(self._maps[owner], begin, end)
            for owner, begin, end in zip(owners, begins.tolist(), ends.tolist(), strict=True)
        ]
        return offsets_of(ends - begins)[:-1], np.frombuffer(b"".join(parts), dtype=np.uint8)

    def _table_of_small(self) -> npt.NDArray[np.uint8] | None:
        """``[row, byte]`` over the one file of a small store whose records have one size.

        A teacher's logits of rows are such: a batch of them is one copy instead of one a row.
        """
        if len(self._maps) != 1 or self.bytes > _SMALL or self._form.ragged or not self.rows:
            return None
        begin, end = int(self._index[0]), int(self._index[-1])
        if begin == end:
            return None
        return np.frombuffer(self._maps[0], np.uint8)[begin:end].reshape(self.rows, -1)


def _read_small(mapped: mmap.mmap, begin: int, end: int) -> bytes:
    return mapped[begin:end]


def _read(mapped: mmap.mmap, begin: int, end: int) -> bytes:
    """Bytes of a map, whose pages are handed back at once.

    A touched page counts as the process's own memory until then, and brings up to 2 MiB of
    neighbours along (measured on Linux 6.18, ext4): a few dozen random rows would hold all of it.
    """
    found = mapped[begin:end]
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
    return found


def _gathered(
    records: _Records, field: Field, begins: Positions, counts: Positions
) -> npt.NDArray[Any]:
    """The values of a field, ``counts`` items from each of ``begins`` (bytes), flat."""
    values = records.content.view(field.dtype)
    return values[ranges(begins // values.itemsize, counts * field.size)]


def _verified_map(directory: Path, shard: Shard) -> mmap.mmap:
    path = directory / shard.file
    if not path.is_file():
        raise IntegrityError(f"{path}: missing; {advice(directory)}")
    digest = fingerprint_file(path)
    if digest != shard.sha256:
        message = f"{path}: SHA-256 is {digest[:12]}..., {shard.sha256[:12]}... was written"
        raise IntegrityError(f"{message}; {advice(directory)}")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _indexed(shards: Sequence[Shard], maps: Sequence[mmap.mmap]) -> Positions:
    """Where every record begins in its shard, and each shard's last one ends."""
    parts = [
        np.frombuffer(
            _read(mapped, shard.index_at, shard.index_at + 8 * (shard.rows + 1)), np.int64
        )
        for shard, mapped in zip(shards, maps, strict=True)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _resident(layout: Layout, maps: Sequence[mmap.mmap]) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, npt.NDArray[Any]] = {}
    for field in layout.fields:
        if not field.resident:
            continue
        parts = [np.empty(0, field.dtype)]
        for shard, mapped in zip(layout.shards, maps, strict=True):
            at = shard.columns_at[field.name]
            parts.append(
                np.frombuffer(_read(mapped, at, at + field.bytes * shard.rows), field.dtype)
            )
        columns[field.name] = np.concatenate(parts)
    return columns
