"""What every module of a net gives: for those who write down which ones are to be followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from kd2edge.nets.net import Net, first_tensor
from kd2edge.nets.watched import watched

#: Rows and length of the two runs whose shapes are compared, of no net too many.
_RUNS = ((2, 2), (3, 1))
#: A size in each run -> what it is the number of.
_NAMES: Mapping[tuple[int, ...], str] = {
    (2, 3): "rows",
    (2, 1): "length",
    (4, 3): "rows*length",
}


class ModuleShape(NamedTuple):
    """One module of a net.

    Args:
        path: as recipes name it.
        kind: its class.
        shape: of its first output; names stand for sizes that differ. None where a forward pass
            does not call it, or it gives no tensor.
    """

    path: str
    kind: str
    shape: tuple[int | str, ...] | None

    def text(self) -> str:
        """For a terminal."""
        sizes = "-" if self.shape is None else " x ".join(map(str, self.shape))
        return f"{self.path}  {self.kind}  {sizes}"


def module_shapes(net: Net) -> list[ModuleShape]:
    """Every module that ``capture`` knows, in the order of the net, with the shape of its output.

    The net is run twice, on arrays of ones.
    """
    modules = net.modules_by_path()
    runs = [_run(net, modules, *sizes) for sizes in _RUNS]
    return [
        ModuleShape(path, type(module).__name__, _named(*(run.get(path) for run in runs)))
        for path, module in modules.items()
    ]


def _run(
    net: Net, modules: Mapping[str, nn.Module], rows: int, length: int
) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def keep(path: str, given: Any, output: Any) -> None:
        del given
        found = first_tensor(output)
        if found is not None:
            shapes[path] = tuple(found.shape)

    with watched(modules, keep), torch.no_grad():
        net.eval()(net.ones(rows, length))
    return shapes


def _named(
    one: tuple[int, ...] | None, other: tuple[int, ...] | None
) -> tuple[int | str, ...] | None:
    if one is None or other is None or len(one) != len(other):
        return None
    pairs = zip(one, other, strict=True)
    return tuple(size if size == last else _NAMES.get((size, last), "?") for size, last in pairs)
