"""Engines that ``kd2edge build`` made on a device: derived files that evidence knows by SHA-256.

The payload of ``build`` evidence, one entry an engine::

    {"artefact": "tensorrt-fp16", "engine": "tensorrt/fp16.engine", "sha256": "...", "bytes": 123,
     "tool": "tensorrt_rtx", "version": "1.7.1.116", "device": "NVIDIA L4"}

``engine`` is relative to the folder that holds the evidence: the bundle, or the ``--out`` of build.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kd2edge.bundle.paths import checked_path, read_inside


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """An engine as the evidence names it: its folder, the path in it, SHA-256 (hex), size."""

    folder: Path
    path: str
    sha256: str
    bytes: int


def engine_bytes(engine: BuiltEngine) -> bytes:
    """The engine's bytes, not yet checked: the backend compares their SHA-256 before it uses them.

    Raises:
        PathEscapeError: evidence that points outside its folder.
        IntegrityError: the file is gone, cannot be read, or is larger than the evidence says.
    """
    checked_path(engine.path, f"{engine.folder}: build evidence")
    return read_inside(engine.folder, engine.path, limit=engine.bytes)
