"""``kd2edge build``: the engines of a bundle, built on the device they will run on.  Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kd2edge.bundle import Artefact, Bundle, append_evidence, open_bundle, require_writable
from kd2edge.errors import UsageError
from kd2edge.export.targets.tensorrt_builder import BuildSettings, Network
from kd2edge.files import fingerprint_bytes, write_atomic

__all__ = ["BuiltEngine", "build_bundle"]


@dataclass(frozen=True, slots=True)
class BuiltEngine:
    """An engine that was built, as the evidence names it."""

    artefact: str
    path: str
    sha256: str
    bytes: int
    tool: str
    version: str
    device: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def build_bundle(
    path: Path, *, artefacts: Sequence[str] | None = None, out: Path | None = None
) -> tuple[BuiltEngine, ...]:
    """Build every artefact that the manifest marks ``needs_device``; each is named in the evidence.

    Args:
        path: the bundle.
        artefacts: ids; None: all that need a device.
        out: folder of evidence and engines, when the bundle is read-only.

    Raises:
        UsageError: an artefact that is not there or needs no build.
        BackendError: neither tensorrt nor tensorrt_rtx is installed.
        IntegrityError: a file that is not the one the manifest names.
        StorageError: the evidence cannot be written (noticed before anything is built).
    """
    bundle = open_bundle(path)
    wanted = _wanted(bundle, artefacts)
    require_writable(out or path)
    return tuple(_built(bundle, artefact, out or path) for artefact in wanted)


def _wanted(bundle: Bundle, asked: Sequence[str] | None) -> list[Artefact]:
    known = bundle.manifest.artefacts
    waiting = [one for one in known.values() if one.status == "needs_device"]
    if asked is None:
        if not waiting:
            raise UsageError(f"{bundle.path}: no artefact of it needs a device")
        return waiting
    for name in asked:
        if name not in known:
            raise UsageError(f"{bundle.path} has no artefact {name!r}; it has {', '.join(known)}")
        if known[name] not in waiting:
            raise UsageError(f"{name} needs no build: its status is {known[name].status}")
    return [known[name] for name in asked]


def _built(bundle: Bundle, artefact: Artefact, out: Path) -> BuiltEngine:
    settings = next(file.path for file in artefact.files if file.path.endswith(".build.json"))
    network = Network(bundle.read(artefact.entry), BuildSettings.from_json(bundle.read(settings)))
    made = network.build()
    place = f"{artefact.target}/{artefact.id}.engine"
    write_atomic(out / place, made.engine)
    engine = BuiltEngine(
        artefact=artefact.id,
        path=place,
        sha256=fingerprint_bytes(made.engine),
        bytes=len(made.engine),
        tool=made.tool,
        version=made.version,
        device=", ".join(made.compute_capabilities) or "the builder's choice",
    )
    payload = engine.to_json()
    payload["engine"] = payload.pop("path")
    append_evidence(out, "build", bundle.identity, payload)
    return engine
