"""Golden raw values for the tiny bundles, made as a run makes them, a graph for the net."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bundles
from kd2edge.bundle import open_bundle, write_bundle
from kd2edge.bundle.store import file_entry
from kd2edge.inputs.kinds import input_kind
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.steps.probing import probed
from kd2edge.runtime.probes import PROBES, probe_bytes


def with_probes(folder: Path, graph: bytes) -> Path:
    """The bundle with golden raw values, whose outputs are those of ``graph``."""
    bundle = open_bundle(folder)
    weights = bundle.manifest.provenance.get("student", "0" * 64)
    specs = bundle.manifest.inputs
    files = {path: bundle.read(path) for spec in specs.values() for path in spec.files.values()}
    encoders = {
        name: input_kind(spec.kind).open(spec, {r: files[p] for r, p in spec.files.items()})
        for name, spec in specs.items()
    }
    tasks = list(bundle.manifest.tasks.values())
    found = probed(
        ModelInputs(specs, encoders, files),
        tasks,
        lambda arrays: bundles.run_onnx(graph, arrays),
        weights,
    )
    return rewritten(folder, {PROBES: probe_bytes(found)})


def rewritten(folder: Path, files: Mapping[str, bytes], **changes: Any) -> Path:
    """The bundle with other or further files, all checksums remade, and other fields."""
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    contents = {path: bundle.read(path) for path in bundle.files} | dict(files)
    artefacts = {
        name: dataclasses.replace(
            one, files=tuple(file_entry(entry.path, contents[entry.path]) for entry in one.files)
        )
        for name, one in changes.pop("artefacts", manifest.artefacts).items()
    }
    own = {entry.path for one in artefacts.values() for entry in one.files}
    old = {entry.path for one in manifest.artefacts.values() for entry in one.files}
    names = ({entry.path for entry in manifest.files} | set(files)) - old
    listed = tuple(file_entry(path, contents[path]) for path in sorted(names))
    fields = {"artefacts": artefacts, "files": listed, **changes}
    kept = {path: data for path, data in contents.items() if path in own | names}
    write_bundle(folder, dataclasses.replace(manifest, **fields), kept)
    return folder
