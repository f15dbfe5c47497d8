"""kd2edge: distil multi-task teachers into one small student and put it, proven, on the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd2edge.api import distill, export, validate
    from kd2edge.runtime import load

__version__ = "0.1.0"
__all__ = ["__version__", "distill", "export", "load", "validate"]


def __getattr__(name: str) -> Any:
    # Importing the package costs nothing: the verbs come in when they are first asked for.
    if name in {"distill", "export", "validate", "load"}:
        import kd2edge.api

        return getattr(kd2edge.api, name)
    raise AttributeError(f"module 'kd2edge' has no attribute {name!r}")
