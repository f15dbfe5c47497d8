"""kd2edge: distil multi-task teachers into one small student and put it, proven, on the edge.

The verbs as functions are in ``kd2edge.api``; ``kd2edge.load`` is the runtime's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kd2edge.errors import (
    BackendError,
    DataError,
    GateError,
    InputError,
    IntegrityError,
    Interrupted,
    Kd2edgeError,
    PathEscapeError,
    RecipeError,
    SchemaTooNewError,
    StorageError,
    UsageError,
)
from kd2edge.version import __version__

if TYPE_CHECKING:
    from kd2edge.runtime import load

__all__ = [
    "BackendError",
    "DataError",
    "GateError",
    "InputError",
    "IntegrityError",
    "Interrupted",
    "Kd2edgeError",
    "PathEscapeError",
    "RecipeError",
    "SchemaTooNewError",
    "StorageError",
    "UsageError",
    "__version__",
    "load",
]


def __getattr__(name: str) -> Any:
    # Importing the package costs nothing: the runtime (and NumPy) comes in when it is asked for.
    if name == "load":
        from kd2edge.runtime import load

        return load
    raise AttributeError(f"module 'kd2edge' has no attribute {name!r}")
