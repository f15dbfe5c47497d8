"""Fingerprints: SHA-256 over bytes, files and canonical JSON; equal values, equal fingerprints."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from kd2edge.errors import StorageError

_CHUNK = 1 << 20


def canonical_json(value: object) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8.

    Mappings and dataclasses are objects, tuples are lists.

    Raises:
        TypeError: a value that JSON has no form for.
        ValueError: NaN or infinity, which JSON lacks.
    """
    text = json.dumps(
        value,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
        default=as_json,
    )
    # Half a surrogate pair can stand in a row's text; it must not stop a fingerprint.
    return text.encode("utf-8", "surrogatepass")


def as_json(value: object) -> dict[str, Any]:
    """What ``json.dumps(default=...)`` needs for mappings and dataclasses."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def fingerprint(value: object) -> str:
    """SHA-256 (hex) of a value's canonical JSON; see :func:`canonical_json` for what it takes."""
    return fingerprint_bytes(canonical_json(value))


def fingerprint_bytes(content: bytes | memoryview) -> str:
    """SHA-256 (hex) of some bytes."""
    return hashlib.sha256(content).hexdigest()


def fingerprint_file(path: Path) -> str:
    """SHA-256 (hex) of a file's content, read in pieces.

    Raises:
        StorageError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while chunk := handle.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
