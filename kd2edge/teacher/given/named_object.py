"""An object of Python by its name: imported, and known by its version or its source."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from kd2edge.errors import UsageError
from kd2edge.files.fingerprint import fingerprint_file


@final
@dataclass(frozen=True, slots=True)
class NamedObject:
    """What a recipe names.

    Args:
        name: ``package.module:factory``.
        factory: what it is.
        version: what the factory says of itself; "": nothing.
        files: name of its module's source -> SHA-256.
    """

    name: str
    factory: Callable[..., Any]
    version: str
    files: Mapping[str, str]

    @property
    def identity(self) -> list[object]:
        """What it is known by: its version where it states one, else its module's source."""
        return [self.name, self.version or dict(self.files)]


def named_object(name: str, folder: Path | None) -> NamedObject:
    """Import what a recipe names: this runs code of others.

    Whoever calls it has asked ``recipe.code.require_code_allowed`` before.

    Args:
        name: ``package.module:factory``.
        folder: where its module is looked for first; None: where Python finds modules.

    Raises:
        UsageError: a module that is not there, fails or is another one, or no such factory.
    """
    module_name, _, attribute = name.partition(":")
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # and stays: what it imports later stands there, too
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001  (code of others may raise anything)
        raise UsageError(f"{name}: cannot be imported: {told(error)}") from error
    source = Path(module.__file__) if module.__file__ else None
    if folder is not None and not _is_below(source, folder):
        raise UsageError(
            f"{name}: expected a module below {folder}, found {source or 'one without a file'}:"
            " another one of that name was imported before; call it otherwise"
        )
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise UsageError(f"{name}: expected a class or a function {attribute}, found {factory!r}")
    version = getattr(factory, "version", "")
    if not isinstance(version, str):
        raise UsageError(f"{name}: expected a text as its version, found {version!r}")
    files = {source.name: fingerprint_file(source)} if source and source.is_file() else {}
    if not version and not files:
        raise UsageError(f"{name}: it has neither a source file nor a version: give it a version")
    return NamedObject(name, factory, version, files)


def told(error: Exception) -> str:
    """The last line of an error's traceback, with the place that raised it."""
    line = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{line} ({frames[-1].filename}:{frames[-1].lineno})" if frames else line


def _is_below(source: Path | None, folder: Path) -> bool:
    return source is not None and source.resolve().is_relative_to(folder.resolve())
