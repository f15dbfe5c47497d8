"""TorchJD (torchjd.org, MIT), imported when a balancer of its methods is made and never before."""

from __future__ import annotations

import importlib
from typing import Any

from kd2edge.errors import UsageError


def imported(method: str, module: str, extra: str) -> Any:
    """A module that a method needs.

    Args:
        method: its name in recipes.
        module: the library's, or of a solver that it calls.
        extra: of kd2edge, which brings it.

    Raises:
        UsageError: it is not installed, or broken.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:  # the library would only look whether a solver's file is there
        raise UsageError(
            f"balance {method} needs {module.partition('.')[0]}, which cannot be imported"
            f' ({error}); run: pip install "kd2edge[{extra}]"'
        ) from error
