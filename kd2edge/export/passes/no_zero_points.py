"""Leave out zero points of int8 weights that are all zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

#: Where a MatMulInteger has the zero point of its second factor.
_AT = 3


@final
class NoZeroPoints(GraphPass):
    """Takes the second factor's zero points from each ``MatMulInteger`` where all of them are zero.

    Symmetric weights have none, and the quantizer writes a zero a channel all the same.  ONNX
    Runtime then corrects each product for a zero point a column, which takes time and changes no
    number: a zero point that is left out is zero.
    """

    name = "no_zero_points"

    def change(self, model: ModelProto) -> int:
        found = _idle(model.graph)
        for node in found:
            del node.input[_AT]
        read = {name for node in model.graph.node for name in node.input}
        unread = {tensor.name for tensor in model.graph.initializer} - read
        for index in reversed(range(len(model.graph.initializer))):
            if model.graph.initializer[index].name in unread and found:
                del model.graph.initializer[index]
        return len(found)

    def after(self, model: ModelProto) -> str:
        return f"{len(_idle(model.graph))} are left" if _idle(model.graph) else ""


def _idle(graph: GraphProto) -> list[NodeProto]:
    from onnx import numpy_helper

    held = {tensor.name: tensor for tensor in graph.initializer}
    return [
        node
        for node in graph.node
        if node.op_type == "MatMulInteger"
        and len(node.input) == _AT + 1
        and node.input[_AT] in held
        and not numpy_helper.to_array(held[node.input[_AT]]).any()
    ]
