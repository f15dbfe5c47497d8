"""Nets, what teachers and students are made of: backbones, heads, building, saving, loading."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kd2edge.nets.depth import distances
    from kd2edge.nets.files import (
        NetDescription,
        describe_net,
        load_net,
        net_files,
        save_net,
    )
    from kd2edge.nets.net import Net, build_net, flops
    from kd2edge.nets.source import resolve_source, source_fingerprints, tokenizer_json
    from kd2edge.nets.spec import ModelSpec

__all__ = [
    "ModelSpec",
    "Net",
    "NetDescription",
    "build_net",
    "describe_net",
    "distances",
    "flops",
    "load_net",
    "net_files",
    "resolve_source",
    "save_net",
    "source_fingerprints",
    "tokenizer_json",
]

# Names load on first use: a plan needs ModelSpec and a tokenizer's bytes, but not seconds of torch.
_HOMES = {
    "ModelSpec": "spec",
    "Net": "net",
    "NetDescription": "files",
    "build_net": "net",
    "describe_net": "files",
    "distances": "depth",
    "flops": "net",
    "load_net": "files",
    "net_files": "files",
    "resolve_source": "source",
    "save_net": "files",
    "source_fingerprints": "source",
    "tokenizer_json": "source",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
