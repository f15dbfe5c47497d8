"""How far each parameter of a net is from its heads, as the net itself shows when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from kd2edge.nets.net import Net
from kd2edge.nets.watched import watched

#: Size of every dynamic dimension in the run that shows the order of calls.
_SIZE = 2


def distances(net: Net) -> dict[str, int]:
    """Name of a parameter -> levels between it and the heads, which are at 0.

    A layer is an item of an outermost list of modules (``encoder.layer.3``, ``stages.0``); each is
    a level, in the order in which they are called.  What is in no layer is a level of its own by
    how many layers were called before it: embeddings lie below the first layer, a last norm above
    the last one.  A net without such a list has one level below its heads.  A fusion that learns is
    a level; each input's levels are counted down from it, so that encoders meet at the top.

    Args:
        net: run once, in evaluation mode, in which it is left.
    """
    calls = _first_calls(net)
    modules = dict(net.named_modules())
    fused = any(True for _ in net.fusion.parameters())
    found: dict[str, int] = {}
    encoders: dict[str, dict[str, str]] = {}
    for name, _ in net.named_parameters():
        owner = name.rpartition(".")[0]
        if name.startswith("heads."):
            found[name] = 0
        elif name.startswith("fusion."):
            found[name] = 1
        else:
            encoders.setdefault(_encoder(name), {})[name] = owner
    for owners in encoders.values():
        layers = {name: _layer(owner, modules) for name, owner in owners.items()}
        places = {layer: _place(layer, calls) for layer in layers.values() if layer}
        ranks = {layer: rank for rank, layer in enumerate(sorted(places, key=places.__getitem__))}
        keys = {
            name: (ranks[layer], 1)
            if (layer := layers[name])
            else (sum(place < _place(owner, calls) for place in places.values()), 0)
            for name, owner in owners.items()
        }
        levels = sorted(set(keys.values()), reverse=True)
        found |= {name: levels.index(key) + 1 + fused for name, key in keys.items()}
    return found


def _encoder(name: str) -> str:
    """What reads one input: a name's first two parts where there are several."""
    return ".".join(name.split(".")[:2]) if name.startswith("encoders.") else ""


def _layer(path: str, modules: Mapping[str, nn.Module]) -> str:
    """The item of the outermost list of modules that a path leads through; "" of none."""
    parts = path.split(".")
    for end in range(1, len(parts)):
        if isinstance(modules[".".join(parts[:end])], nn.ModuleList):
            return ".".join(parts[: end + 1])
    return ""


def _place(path: str, calls: Mapping[str, int]) -> int:
    """When the first thing in a module was called; of one that never was, when its parent was."""
    inside = [at for name, at in calls.items() if name == path or name.startswith(f"{path}.")]
    if inside or not path:
        return min(inside, default=0)
    return _place(path.rpartition(".")[0], calls)


@torch.no_grad()
def _first_calls(net: Net) -> dict[str, int]:
    """Module -> its place in the order of what is called first, counted as calls end."""
    calls: dict[str, int] = {}

    def see(name: str, given: Any, output: Any) -> None:
        del given, output
        calls.setdefault(name, len(calls))

    device = next(net.parameters()).device
    with watched(dict(net.named_modules()), see):
        net.eval()({name: one.to(device) for name, one in net.ones(_SIZE, _SIZE).items()})
    return calls
