"""Read arrays of many rows from disk, a few at a time: memory does not grow with their number."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.bundle import fingerprint_file
from kd2edge.data.columns import offsets_of, ranges
from kd2edge.data.layout import Field, Shard, advice, read_layout
from kd2edge.errors import IntegrityError
from kd2edge.tasks.spec import Ragged

Positions = npt.NDArray[np.int64]
#: After this many rows were read the mapped pages are handed back: until then they count as the
#: process's own, and each row brings 64 KiB of neighbours along.
_RELEASE_ROWS = 256


@final
class ArrayStore:
    """A folder that :class:`ArrayWriter` wrote.  Opening verifies every byte.

    Raises:
        IntegrityError: a file is missing or its bytes are not the ones that were written.
    """

    def __init__(self, directory: Path) -> None:
        layout = read_layout(directory)
        self.directory = directory
        self.rows = layout.rows
        self.fingerprint = layout.fingerprint
        self.meta: Mapping[str, Any] = layout.meta
        self.fields: Mapping[str, Field] = {field.name: field for field in layout.fields}
        self._shards = [_Mapped(directory, shard, layout.fields) for shard in layout.shards]
        self._starts = np.array([shard.start for shard in layout.shards], dtype=np.int64)
        self._read = 0

    @property
    def bytes(self) -> int:
        """Size of the shards on disk."""
        return sum(shard.size for shard in self._shards)

    def take(self, name: str, positions: Positions) -> npt.NDArray[Any]:
        """Values ``[row, *shape]`` of a field at some rows."""
        field = self.fields[name]
        taken = np.empty((len(positions), *field.shape), dtype=field.dtype)
        for shard, where in self._by_shard(positions):
            taken[where] = shard.values[name][positions[where] - shard.start]
        self._release(len(positions))
        return taken

    def take_ragged(self, name: str, positions: Positions) -> Ragged:
        """Values of a ragged field at some rows, in the order of ``positions``."""
        field = self.fields[name]
        begins = np.empty(len(positions), dtype=np.int64)
        lengths = np.empty(len(positions), dtype=np.int64)
        parts = list(self._by_shard(positions))
        for shard, where in parts:
            offsets, local = shard.offsets[name], positions[where] - shard.start
            begins[where] = offsets[local]
            lengths[where] = offsets[local + 1] - offsets[local]
        ends = offsets_of(lengths)
        taken = np.empty((int(ends[-1]), *field.shape), dtype=field.dtype)
        for shard, where in parts:
            source = ranges(begins[where], lengths[where])
            taken[ranges(ends[:-1][where], lengths[where])] = shard.values[name][source]
        self._release(len(positions))
        return Ragged(taken, ends)

    def column(self, name: str) -> npt.NDArray[Any]:
        """A whole field in memory: only for small ones (lengths, labels)."""
        parts = [np.array(shard.values[name]) for shard in self._shards]
        self._release(_RELEASE_ROWS)
        return np.concatenate(parts) if parts else np.empty(0, self.fields[name].dtype)

    def _by_shard(self, positions: Positions) -> Iterator[tuple[_Mapped, Positions | slice]]:
        owners = np.searchsorted(self._starts, positions, side="right") - 1
        for owner in np.unique(owners):
            yield self._shards[owner], np.flatnonzero(owners == owner)

    def _release(self, rows: int) -> None:
        self._read += rows
        if self._read >= _RELEASE_ROWS:
            self._read = 0
            for shard in self._shards:
                shard.release()


@final
class _Mapped:
    """One shard file, mapped into memory, with an array of each field."""

    def __init__(self, directory: Path, shard: Shard, fields: tuple[Field, ...]) -> None:
        self.start = shard.start
        self.size = shard.bytes
        self._map = _verified_map(directory, shard)
        self.values: dict[str, npt.NDArray[Any]] = {}
        self.offsets: dict[str, npt.NDArray[np.int64]] = {}
        for field, part in zip(fields, shard.parts, strict=True):
            shape = (part.items, *field.shape)
            self.values[field.name] = np.ndarray(shape, field.dtype, self._map, part.values_at)
            if field.ragged:
                offsets = np.ndarray((shard.rows + 1,), np.int64, self._map, part.offsets_at)
                self.offsets[field.name] = offsets

    def release(self) -> None:
        """Hand the pages back; they stay in the system's cache and come again when read."""
        if hasattr(mmap, "MADV_DONTNEED") and isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_DONTNEED)


def _verified_map(directory: Path, shard: Shard) -> mmap.mmap | bytes:
    path = directory / shard.file
    if not path.is_file():
        raise IntegrityError(f"{path}: missing; {advice(directory)}")
    digest = fingerprint_file(path)
    if digest != shard.sha256:
        message = f"{path}: SHA-256 is {digest[:12]}..., {shard.sha256[:12]}... was written"
        raise IntegrityError(f"{message}; {advice(directory)}")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if shard.bytes else b""
