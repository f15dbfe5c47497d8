"""How arrays of many rows lie on disk: one file a range of rows, one manifest that joins them.

A folder holds ``manifest.json`` and ``00000.bin``, ``00001.bin`` ...  A shard is a range of rows:
their records one after the other, then the position of each record, then the resident columns, then
the seal (``data/shard.py``).  All that belongs to a row stands together, so a batch of random rows
costs one read a row.  The ranges are known before the first row is written and a shard says itself
what it is, so several processes, on one machine or many, fill a folder together.

A record holds, each at a multiple of 8 bytes: the count of every ragged field (int32), the values
of the plain fields, the values of the ragged fields.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError
from kd2edge.files import fingerprint
from kd2edge.json_text import json_value

#: Version of this layout; a folder of another version is refused.
FORMAT = 4
MANIFEST = "manifest.json"
#: What every part of a record begins at a multiple of: no dtype here needs more.
ALIGN = 8
#: What a shard holds at most, roughly: small enough to forget, large enough to be few.
SHARD_BYTES = 8 << 20
#: ... and in rows: what a stopped or late process has to make again.
SHARD_ROWS = 16384

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Field:
    """One named array: ``[row, *shape]``, or with ``ragged`` for each row ``[count, *shape]``.

    ``resident`` fields (plain, without a shape) are read whole when the folder is opened.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    ragged: bool = False
    resident: bool = False

    @property
    def size(self) -> int:
        """Values of one item."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Bytes of one item."""
        return self.size * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows ``start .. start + rows`` in one file of ``bytes`` bytes.

    Its int64 record positions ``[rows + 1]`` begin at ``index_at``, and each resident column at its
    place in ``columns_at``.
    """

    file: str
    start: int
    rows: int
    bytes: int
    sha256: str
    index_at: int
    columns_at: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """The manifest of a folder of arrays; ``meta`` holds JSON values of whoever wrote it."""

    fingerprint: str
    rows: int
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]
    meta: Mapping[str, Any]


class Places(NamedTuple):
    """Where ragged values begin and records end, in bytes from the begin of each record."""

    begins: Ints  # [row, ragged field]
    ends: Ints  # [row]


@final
class RecordForm:
    """Where everything stands in a record with these fields."""

    def __init__(self, fields: Sequence[Field]) -> None:
        kept = [field for field in fields if not field.resident]
        self.plain = tuple(field for field in kept if not field.ragged)
        self.ragged = tuple(field for field in kept if field.ragged)
        at = aligned(4 * len(self.ragged))
        self.plain_at: dict[str, int] = {}
        for field in self.plain:
            self.plain_at[field.name] = at
            at += aligned(field.bytes)
        self._ragged_at = at

    def places(self, counts: Ints) -> Places:
        """Places in records whose ragged fields have these counts ``[row, ragged field]``."""
        units = np.array([field.bytes for field in self.ragged], dtype=np.int64)
        sizes = (counts * units + ALIGN - 1) // ALIGN * ALIGN  # [row, ragged field]
        ends = self._ragged_at + np.cumsum(sizes, axis=1)  # [row, ragged field]
        last = ends[:, -1] if len(units) else np.full(len(counts), self._ragged_at, np.int64)
        return Places(ends - sizes, last)


def folder_of(directory: Path, key: str) -> Path:
    """Where the arrays with this fingerprint stand: another layout has another folder."""
    return directory / fingerprint([key, FORMAT])[:32]


def aligned(size: int) -> int:
    """The next multiple of ``ALIGN``."""
    return -(-size // ALIGN) * ALIGN


def shard_rows(row_bytes: float, step: int) -> int:
    """Rows of a shard whose rows are about so large: a multiple of ``step`` rows."""
    fitting = min(int(SHARD_BYTES / row_bytes), SHARD_ROWS)
    return step * max(1, fitting // step)


def spread(rows: int) -> Ints:
    """Some positions all over so many rows: what a row is like, whatever order they stand in."""
    return np.unique(np.linspace(0, rows - 1, 16).astype(np.int64))


def layout_to_json(layout: Layout) -> bytes:
    """Canonical JSON of a layout."""
    document = {"format": FORMAT, **asdict(layout)}
    return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()


def read_layout(directory: Path) -> Layout:
    """Read a folder's manifest.

    Raises:
        IntegrityError: it is missing, damaged or of another version.
    """
    path = directory / MANIFEST
    try:
        document = json_value(path.read_bytes(), strict=False)
        if document.pop("format") != FORMAT:
            raise IntegrityError(f"{path}: written in another format; {advice(directory)}")
        return _layout(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{path}: not readable ({error}); {advice(directory)}") from error


def advice(directory: Path) -> str:
    """What to do about a damaged folder."""
    return f"delete {directory} or run with --recache"


def _layout(document: dict[str, Any]) -> Layout:
    fields = tuple(Field(**{**one, "shape": tuple(one["shape"])}) for one in document["fields"])
    shards = tuple(Shard(**one) for one in document["shards"])
    return Layout(document["fingerprint"], document["rows"], fields, shards, document["meta"])
