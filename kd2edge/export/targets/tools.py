"""What is installed: versions for the manifest, and the errors when something is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from kd2edge.errors import BackendError

_TELEMETRY = "openvino_telemetry"


def assert_installed(purpose: str, modules: tuple[str, ...], install: str) -> None:
    """Return when all ``modules`` are installed; nothing is imported.

    Raises:
        BackendError: one is missing, with the line that installs it.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise BackendError(f"{purpose} needs {', '.join(missing)}; run: {install}")


def imported(purpose: str, module: str, install: str) -> Any:
    """Import ``module``.

    Raises:
        BackendError: it is missing or broken, with the line that installs it.
    """
    try:
        with _no_telemetry():
            return import_module(module)
    except (ImportError, OSError) as error:  # OSError: a shared library of the package is missing
        raise BackendError(
            f"{purpose} needs {module}, which cannot be imported ({error}); run: {install}"
        ) from error


def versions(*distributions: str) -> dict[str, str]:
    """Version of each installed distribution."""
    found: dict[str, str] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@contextmanager
def _no_telemetry() -> Iterator[None]:
    """Hide OpenVINO's telemetry from what is imported inside.

    ``import openvino`` alone would write an identifier of the user into the home directory and,
    with some calls, report over the network.  It does neither when that package is not installed.
    """
    missing = object()
    before = sys.modules.get(_TELEMETRY, missing)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  (Python's way to say: not there)
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        if before is not missing:
            sys.modules[_TELEMETRY] = before  # type: ignore[assignment]
