"""OpenVINO's telemetry stays off: nothing of ours writes into a home directory or reports."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_PACKAGE = "openvino_telemetry"
_ONE_AT_A_TIME = RLock()


@contextmanager
def no_telemetry() -> Iterator[None]:
    """Hide OpenVINO's telemetry from what is imported inside.

    ``import openvino`` (or ``nncf``) alone would write an identifier of the user into the home
    directory and, with some calls, report over the network.  It does neither when that package is
    not installed.
    """
    missing = object()
    with _ONE_AT_A_TIME:  # another thread would take our None for what was there before
        before = sys.modules.get(_PACKAGE, missing)
        sys.modules[_PACKAGE] = None  # type: ignore[assignment]  (Python's way to say: not there)
        try:
            yield
        finally:
            del sys.modules[_PACKAGE]
            if before is not missing:
                sys.modules[_PACKAGE] = before  # type: ignore[assignment]
