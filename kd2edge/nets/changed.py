"""Changing what a module gives, while a net runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from kd2edge.errors import UsageError


@contextmanager
def changed(path: str, module: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let what follows a module read a changed output of it, for a ``with`` block.

    Whoever looked at the module before (``watched``) sees the output as it was.

    Args:
        path: of the module, for messages.
        module: whose output is changed; of several values the first is.
        change: makes the new output of the old one.
    """

    def hook(module: nn.Module, given: Any, output: Any) -> Any:
        del module, given
        if isinstance(output, Tensor):
            return change(output)
        if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
            return (change(output[0]), *output[1:])
        raise UsageError(
            f"module {path!r} gives a {type(output).__name__}, to which nothing can be added; name"
            " one that gives a tensor, see `kd2edge check --modules`"
        )

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
