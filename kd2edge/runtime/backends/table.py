"""The fixed table of backends, and what of it is installed here."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from kd2edge.errors import BackendError
from kd2edge.runtime.backends.backend import Backend
from kd2edge.runtime.telemetry import quietly_imported


class Entry(NamedTuple):
    """Where a backend stands, and the engine modules of which any one is enough."""

    module: str
    name: str
    engines: tuple[str, ...]
    install: str
    companions: tuple[
        str, ...
    ] = ()  # suffixes of the files that a graph of this backend needs beside it


#: backend -> entry.  Modules are imported when a graph is opened, not before.
BACKENDS: dict[str, Entry] = {
    "onnxruntime": Entry(
        "onnxruntime", "OnnxRuntime", ("onnxruntime",), 'pip install "kd2edge[cpu]"'
    ),
    "openvino": Entry(
        "openvino", "OpenVino", ("openvino",), 'pip install "kd2edge[openvino]"', (".bin",)
    ),
    "tensorrt": Entry(
        "tensorrt", "TensorRT", ("tensorrt", "tensorrt_rtx"), 'pip install "kd2edge[rtx]"'
    ),
}

#: target of an artefact -> the backend that runs it.
TARGETS: dict[str, str] = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "tensorrt",
}


def backend(name: str) -> Backend:
    """A new, unopened backend.

    Raises:
        BackendError: no backend of that name.
    """
    entry = BACKENDS.get(name)
    if entry is None:
        raise BackendError(f"no backend {name!r}; there are {', '.join(sorted(BACKENDS))}")
    made = getattr(import_module(f"kd2edge.runtime.backends.{entry.module}"), entry.name)()
    assert isinstance(made, Backend)
    return made


def missing(target: str) -> str:
    """Why artefacts of ``target`` cannot run here: "" when their engine is installed.

    Only looks for the engine's package, so that asking costs no import.
    """
    entry = BACKENDS.get(TARGETS.get(target, ""))
    if entry is None:
        return f"this kd2edge has no runtime for target {target!r}"
    if any(find_spec(engine) is not None for engine in entry.engines):
        return ""
    return f"{' or '.join(entry.engines)} is not installed; run: {entry.install}"


def preload(target: str) -> None:
    """Import the engine of ``target``, so that a later measurement does not count it.

    Raises:
        BackendError: it is not installed.
    """
    reason = missing(target)
    if reason:
        raise BackendError(reason)
    for engine in BACKENDS[TARGETS[target]].engines:
        if find_spec(engine) is not None:
            quietly_imported(engine)
            return
