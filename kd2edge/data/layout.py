"""How arrays of many rows lie on disk: one file a shard of rows, one manifest, a checksum a shard.

A folder holds ``manifest.json`` and ``00000.bin``, ``00001.bin`` ...  Each shard file holds, for a
range of rows, the values of every field one after the other (and row offsets for ragged fields),
aligned to 64 bytes.  Shards are independent, so that several machines could fill them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kd2edge.errors import IntegrityError

#: Version of this layout; a folder of another version is refused.
FORMAT = 1
MANIFEST = "manifest.json"
#: Alignment of every part of a shard, in bytes: no dtype needs more.
ALIGN = 64


@dataclass(frozen=True, slots=True)
class Field:
    """One named array: ``[row, *shape]``, or with ``ragged`` for each row ``[length, *shape]``."""

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    ragged: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """Where a field's values (if ragged, also its int64 row offsets) begin in a shard, in bytes."""

    values_at: int
    items: int
    offsets_at: int = -1


@dataclass(frozen=True, slots=True)
class Shard:
    """The rows ``start .. start + rows`` in one file; one part a field, in field order."""

    file: str
    start: int
    rows: int
    bytes: int
    sha256: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """The manifest of a folder of arrays; ``meta`` holds JSON values of whoever wrote it."""

    fingerprint: str
    rows: int
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]
    meta: Mapping[str, Any]


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
        document = json.loads(path.read_bytes())
        if document.pop("format") != FORMAT:
            raise IntegrityError(f"{path}: written in another format; {advice(directory)}")
        return _layout(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(
            f"{path}: not a readable manifest ({error}); {advice(directory)}"
        ) from error


def advice(directory: Path) -> str:
    """What to do about a damaged folder."""
    return f"delete {directory} or run with --recache"


def _layout(document: dict[str, Any]) -> Layout:
    fields = tuple(Field(**{**one, "shape": tuple(one["shape"])}) for one in document["fields"])
    shards = tuple(shard_from(one) for one in document["shards"])
    return Layout(document["fingerprint"], document["rows"], fields, shards, document["meta"])


def shard_from(one: Mapping[str, Any]) -> Shard:
    """A shard from its JSON object."""
    return Shard(**{**one, "parts": tuple(Part(**part) for part in one["parts"])})
