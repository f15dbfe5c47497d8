"""Backends by name, and whose engines are installed here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from kd2edge.engines import ENGINES, Engine
from kd2edge.errors import BackendError
from kd2edge.runtime.backends.backend import Backend
from kd2edge.runtime.telemetry import quietly_imported

#: Backend -> its engine.
BACKENDS: Mapping[str, Engine] = {one.backend: one for one in ENGINES.values()}


def backend(name: str) -> Backend:
    """A new, unopened backend.

    Raises:
        BackendError: no backend of that name.
    """
    engine = BACKENDS.get(name)
    if engine is None:
        raise BackendError(f"no backend {name!r}; there are {', '.join(sorted(BACKENDS))}")
    module = import_module(f"kd2edge.runtime.backends.{engine.backend}")
    made = getattr(module, engine.backend_class)()
    assert isinstance(made, Backend)
    return made


def is_installed(engine: Engine) -> bool:
    """Whether a package that runs it is here; looking for it costs no import."""
    return any(find_spec(module) is not None for module in engine.modules)


def missing(target: str) -> str:
    """Why artefacts of ``target`` cannot run here: "" when their engine is installed."""
    engine = ENGINES.get(target)
    if engine is None:
        return f"this kd2edge has no runtime for target {target!r}"
    if is_installed(engine):
        return ""
    return f"{' or '.join(engine.modules)} is not installed; run: {engine.install}"


def preload(target: str) -> None:
    """Import the engine of ``target``, so that a later measurement does not count it.

    Raises:
        BackendError: it is not installed.
    """
    reason = missing(target)
    if reason:
        raise BackendError(reason)
    for module in ENGINES[target].modules:
        if find_spec(module) is not None:
            quietly_imported(module)
            return
