"""One shard, whole and sealed: its bytes are made here, and known again by their seal.

The seal is JSON behind the arrays, and behind it its length (8 bytes, little-endian): whose rows
these are, which, and the SHA-256 of all that stands before it.  So a shard needs no file beside it,
and nobody has to remember who wrote it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.layout import ALIGN, Field, Shard
from kd2edge.json_text import json_value
from kd2edge.ragged import Column, Ragged, offsets_of

Bytes = npt.NDArray[np.uint8]
_LENGTH = 8  # bytes that hold the length of the seal


@dataclass(frozen=True, slots=True)
class Sealed:
    """A shard that is whole, and the JSON values that its maker noted."""

    shard: Shard
    note: Mapping[str, Any]


@final
class ShardBuilder:
    """Collects the records of one shard."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._blobs: list[Bytes] = []
        self._sizes: list[npt.NDArray[np.int64]] = []  # [row] bytes of each record
        self._columns: dict[str, list[npt.NDArray[Any]]] = {
            field.name: [] for field in fields if field.resident
        }

    @property
    def rows(self) -> int:
        return sum(map(len, self._sizes))

    @property
    def bytes(self) -> int:
        """Of records and resident columns."""
        parts = [part for column in self._columns.values() for part in column]
        return sum(part.nbytes for part in [*self._blobs, *parts])

    def add(self, blob: Bytes, sizes: npt.NDArray[np.int64], columns: Mapping[str, Column]) -> None:
        """Add records of these sizes ``[row]``, and what stands beside them."""
        self._blobs.append(blob)
        self._sizes.append(sizes)
        for name, parts in self._columns.items():
            column = columns[name]
            assert not isinstance(column, Ragged)
            parts.append(column)

    def sealed(
        self, file: str, start: int, fingerprint: str, note: Mapping[str, Any]
    ) -> tuple[Sealed, bytearray]:
        """The shard, and its bytes.

        Args:
            file: its name in the folder.
            start: its first row.
            fingerprint: of the arrays it is a part of.
            note: JSON values to keep with it.
        """
        content = bytearray()
        for blob in self._blobs:
            content.extend(blob.data)
        index_at = _put(content, offsets_of(np.concatenate(self._sizes)))
        columns_at = {
            name: _put(content, np.concatenate(parts)) for name, parts in self._columns.items()
        }
        said = {
            "fingerprint": fingerprint,
            "start": start,
            "rows": self.rows,
            "index_at": index_at,
            "columns_at": columns_at,
            "note": dict(note),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        seal = json.dumps(said, sort_keys=True).encode()
        content.extend(seal + len(seal).to_bytes(_LENGTH, "little"))
        return _sealed(file, content, said), content


def read_sealed(path: Path, rows: range, fingerprint: str) -> Sealed | None:
    """The shard of these rows; None when it is not there, not whole, or another."""
    try:
        content = path.read_bytes()
        body, said = _parted(content)
        whole = hashlib.sha256(body).hexdigest() == said["sha256"]
        same = (said["fingerprint"], said["start"], said["rows"]) == (
            fingerprint, rows.start, len(rows),
        )  # fmt: skip
        return _sealed(path.name, content, said) if whole and same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # cut by a full disk or changed: it is simply made again


def _parted(content: bytes) -> tuple[memoryview, dict[str, Any]]:
    """What is sealed, and the seal."""
    seal_at = len(content) - _LENGTH - int.from_bytes(content[-_LENGTH:], "little")
    if seal_at < 0:
        raise ValueError("no seal")
    return memoryview(content)[:seal_at], json_value(content[seal_at:-_LENGTH], strict=False)


def _sealed(file: str, content: bytes | bytearray, said: Mapping[str, Any]) -> Sealed:
    shard = Shard(
        file,
        said["start"],
        said["rows"],
        len(content),
        hashlib.sha256(content).hexdigest(),
        said["index_at"],
        said["columns_at"],
    )
    return Sealed(shard, said["note"])


def _put(content: bytearray, values: npt.NDArray[Any]) -> int:
    content.extend(bytes(-len(content) % ALIGN))
    at = len(content)
    content.extend(values.tobytes())
    return at
