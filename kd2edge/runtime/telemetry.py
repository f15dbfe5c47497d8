"""Foreign telemetry stays off: nothing that we import writes into a home directory or reports."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from threading import RLock
from types import ModuleType

#: Packages that report, hidden while what uses them is imported: it then does without.
_PACKAGES = ("openvino_telemetry",)
#: Variables that are read while a library is loaded, and never after.
_VARIABLES: Mapping[str, str] = {
    # ONNX Runtime 1.32: the import alone writes an identifier and a database under the home
    # folder's cache and .ses in the temporary folder, and a living process looks up its vendor's
    # event host.  `disable_telemetry_events()` comes too late.
    "ORT_DISABLE_TELEMETRY": "1",
}
_ONE_AT_A_TIME = RLock()


def quietly_imported(module: str) -> ModuleType:
    """Import a module that would report: the only way by which we import engines.

    Raises:
        ImportError: it is not installed, or broken.
    """
    with no_telemetry():
        return import_module(module)


@contextmanager
def no_telemetry() -> Iterator[None]:
    """Hide telemetry packages from what is imported inside, and tell engines not to report.

    ``import openvino`` (or ``nncf``) alone would write an identifier of the user into the home
    directory and, with some calls, report over the network; so would ``import onnxruntime``.
    Outside, modules and environment are the caller's own: an engine that the caller imported
    before us does what the caller lets it do.
    """
    with _ONE_AT_A_TIME:  # another thread would take our None for what was there before
        modules = {name: sys.modules.get(name) for name in _PACKAGES if name in sys.modules}
        unset = [name for name in _VARIABLES if name not in os.environ]
        sys.modules.update(dict.fromkeys(_PACKAGES))  # type: ignore[arg-type]  (None: not there)
        os.environ.update({name: _VARIABLES[name] for name in unset})
        try:
            yield
        finally:
            for name in _PACKAGES:
                del sys.modules[name]
            sys.modules.update(modules)  # type: ignore[arg-type]
            for name in unset:
                del os.environ[name]
