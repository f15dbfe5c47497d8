"""Write arrays of many rows in a stream: only one shard is ever in memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.bundle import write_atomic
from kd2edge.data.columns import Column, concatenated
from kd2edge.data.layout import (
    ALIGN,
    MANIFEST,
    Field,
    Layout,
    Part,
    Shard,
    layout_to_json,
    shard_from,
)
from kd2edge.errors import IntegrityError
from kd2edge.tasks.spec import Ragged

#: A shard is written when it holds this many bytes: small enough to forget, large enough to be few.
SHARD_BYTES = 8 << 20


@final
class ArrayWriter:
    """Collects chunks of rows into shards of a folder that is read with :class:`ArrayStore`.

    Shards that an earlier, stopped writer finished with the same fingerprint are taken over:
    ``rows`` says how many rows are there already, and the caller goes on from there.
    """

    def __init__(self, directory: Path, fields: Sequence[Field], fingerprint: str) -> None:
        self._directory = directory
        self._fields = tuple(fields)
        self._fingerprint = fingerprint
        self._chunks: list[Mapping[str, Column]] = []
        self._pending_bytes = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._shards = self._finished_shards()

    @property
    def rows(self) -> int:
        """Rows in finished shards."""
        return sum(shard.rows for shard in self._shards)

    def append(self, chunk: Mapping[str, Column]) -> None:
        """Add some rows: every field, ``[row, *shape]`` or ragged."""
        self._chunks.append(
            {field.name: _as_stored(field, chunk[field.name]) for field in self._fields}
        )
        self._pending_bytes += sum(_nbytes(column) for column in self._chunks[-1].values())
        if self._pending_bytes >= SHARD_BYTES:
            self._flush()

    def finish(self, meta: Mapping[str, Any]) -> None:
        """Write what is pending and the manifest, which makes the folder readable."""
        self._flush()
        layout = Layout(self._fingerprint, self.rows, self._fields, tuple(self._shards), dict(meta))
        write_atomic(self._directory / MANIFEST, layout_to_json(layout))
        for record in self._directory.glob("*.json"):
            if record.name != MANIFEST:
                record.unlink()

    def _flush(self) -> None:
        if not self._chunks:
            return
        name = f"{len(self._shards):05d}"
        columns = {
            field.name: concatenated([chunk[field.name] for chunk in self._chunks])
            for field in self._fields
        }
        content, parts = _packed([columns[field.name] for field in self._fields])
        rows = _rows(next(iter(columns.values())))
        digest = hashlib.sha256(content).hexdigest()
        shard = Shard(f"{name}.bin", self.rows, rows, len(content), digest, tuple(parts))
        write_atomic(self._directory / shard.file, memoryview(content))
        # The record of a finished shard lets a stopped writer go on; the manifest replaces it.
        record = {"fingerprint": self._fingerprint, "shard": asdict(shard)}
        write_atomic(self._directory / f"{name}.json", json.dumps(record).encode())
        self._shards.append(shard)
        self._chunks.clear()
        self._pending_bytes = 0

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
            document = json.loads(record.read_bytes())
            if document["fingerprint"] != self._fingerprint:
                return None
            shard = shard_from(document["shard"])
            content = (self._directory / shard.file).read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return None  # half-written by a killed process: it is simply made again
        return shard if hashlib.sha256(content).hexdigest() == shard.sha256 else None


def _as_stored(field: Field, column: Column) -> Column:
    if isinstance(column, Ragged) != field.ragged:
        raise ValueError(
            f"field {field.name}: ragged is {field.ragged}, got {type(column).__name__}"
        )
    if isinstance(column, Ragged):
        values = _fitted(field, column.values)
        return Ragged(values, column.offsets - column.offsets[0])
    return _fitted(field, column)


def _fitted(field: Field, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if values.shape[1:] != field.shape:
        raise ValueError(
            f"field {field.name}: items of shape {field.shape} expected, got {values.shape[1:]}"
        )
    stored = np.ascontiguousarray(values, dtype=field.dtype)
    if (
        stored.dtype.kind in "iu"
        and values.dtype != stored.dtype
        and not np.array_equal(stored, values)
    ):
        raise IntegrityError(f"field {field.name}: a value does not fit {field.dtype}")
    return stored


def _rows(column: Column) -> int:
    return column.rows if isinstance(column, Ragged) else len(column)


def _nbytes(column: Column) -> int:
    return (
        column.values.nbytes + column.offsets.nbytes
        if isinstance(column, Ragged)
        else column.nbytes
    )


def _packed(columns: Sequence[Column]) -> tuple[bytearray, list[Part]]:
    """All columns in one byte string, and where each begins."""
    content = bytearray()
    parts: list[Part] = []
    for column in columns:
        if isinstance(column, Ragged):
            at = _put(content, column.values)
            parts.append(Part(at, len(column.values), _put(content, column.offsets)))
        else:
            parts.append(Part(_put(content, column), len(column)))
    return content, parts


def _put(content: bytearray, values: npt.NDArray[Any]) -> int:
    content.extend(bytes(-len(content) % ALIGN))
    at = len(content)
    content.extend(np.ascontiguousarray(values).tobytes())
    return at
