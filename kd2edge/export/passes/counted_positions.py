"""Count positions when a graph is loaded instead of keeping them in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from kd2edge.export.model_io import is_flat
from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

#: Shorter ones are no longer than the nodes that make them.
_LEAST = 64


@final
class CountedPositions(GraphPass):
    """Replaces each constant ``0, 1, 2 ...`` of int64 by a ``Range``, shaped like it.

    Transformers keep the positions of all tokens that they can ever read: 4 kB of a small int8
    file.  Engines fold the ``Range`` when they load the graph: no call computes it.
    """

    name = "counted_positions"

    def change(self, model: ModelProto) -> int:
        # A name of an inner graph may hide the constant's.
        found = _counting(model.graph) if is_flat(model) else []
        for tensor in found:
            _count(model.graph, tensor)
        return len(found)

    def after(self, model: ModelProto) -> str:
        left = len(_counting(model.graph))
        return f"{left} are left" if left else ""


def _counting(graph: GraphProto) -> list[TensorProto]:
    from onnx import TensorProto, numpy_helper

    outputs = {value.name for value in (*graph.input, *graph.output)}
    return [
        tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.INT64
        and tensor.name not in outputs
        and np.prod(tensor.dims) == max((*tensor.dims, 0)) >= _LEAST
        and np.array_equal(numpy_helper.to_array(tensor).ravel(), np.arange(max(tensor.dims)))
    ]


def _count(graph: GraphProto, tensor: TensorProto) -> None:
    """Nodes before all others, which make what ``tensor`` held, under its name."""
    from onnx import helper, numpy_helper

    name, shape = tensor.name, list(tensor.dims)
    graph.initializer.remove(tensor)
    held = {"start": 0, "limit": max(shape), "delta": 1}
    for part, value in held.items():
        kept = numpy_helper.from_array(np.array(value, np.int64), f"{name}.{part}")
        graph.initializer.append(kept)
    kept = numpy_helper.from_array(np.array(shape, np.int64), f"{name}.shape")
    graph.initializer.append(kept)
    first = [
        helper.make_node("Range", [f"{name}.{part}" for part in held], [f"{name}.flat"]),
        helper.make_node("Reshape", [f"{name}.flat", f"{name}.shape"], [name]),
    ]
    nodes = [*first, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
