"""What a bundle's artefact is, for sides that run one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kd2edge.bundle import open_bundle
from kd2edge.runtime import Model


def size(folder: str, model: Model) -> int:
    """Bytes of what it takes to answer: the artefact, the inputs' files and the manifest."""
    manifest = open_bundle(folder).manifest
    files = {file for spec in manifest.inputs.values() for file in spec.files.values()}
    files |= {file.path for file in manifest.artefacts[model.artefact].files}
    return sum(Path(folder, name).stat().st_size for name in (*files, "manifest.json"))


def about(model: Model) -> dict[str, Any]:
    """Which artefact runs, and why that one."""
    return {"artefact": model.artefact, "why": model.why}
