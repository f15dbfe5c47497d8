"""Whole writes, locks, fingerprints and checked reading: what every room does with files."""

from __future__ import annotations

from kd2edge.files.atomic import atomic_directory, write_atomic
from kd2edge.files.fingerprint import (
    canonical_json,
    fingerprint,
    fingerprint_bytes,
    fingerprint_file,
)
from kd2edge.files.lock import claimed, folder_lock
from kd2edge.files.npz import npz_arrays, npz_bytes

__all__ = [
    "atomic_directory",
    "canonical_json",
    "claimed",
    "fingerprint",
    "fingerprint_bytes",
    "fingerprint_file",
    "folder_lock",
    "npz_arrays",
    "npz_bytes",
    "write_atomic",
]
