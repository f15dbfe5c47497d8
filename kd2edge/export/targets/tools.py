"""What is installed: versions for the manifest, and the errors when something is missing."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from kd2edge.errors import BackendError
from kd2edge.runtime.telemetry import quietly_imported


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
        return quietly_imported(module)
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
