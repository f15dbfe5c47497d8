"""Looking at what modules are given and give, while a net runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn

#: Called with a module's path, what it was given and what it gave.
See = Callable[[str, Any, Any], None]


@contextmanager
def watched(modules: Mapping[str, nn.Module], see: See) -> Iterator[None]:
    """Call ``see`` whenever one of the modules has run, for a ``with`` block.

    Args:
        modules: path -> module.
        see: what looks.
    """

    def hook_of(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            del module
            see(path, given, output)

        return hook

    handles = [module.register_forward_hook(hook_of(path)) for path, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
