"""Changes of ONNX graphs, one file a pass: a model in, a checked copy out."""

from __future__ import annotations

from kd2edge.export.passes.graph_pass import GraphPass, PassResult
from kd2edge.export.passes.kinds import PASSES

__all__ = ["PASSES", "GraphPass", "PassResult", "passed"]


def passed(data: bytes, *names: str) -> bytes:
    """The bytes of the graph in ``data`` after the passes ``names``, in this order."""
    from kd2edge.export.model_io import bytes_from_model, model_from_bytes

    model = model_from_bytes(data)
    for name in names:
        model = PASSES[name](model).model
    return bytes_from_model(model)
