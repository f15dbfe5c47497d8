"""A float32 graph to one that computes in float16, as strongly typed TensorRT networks want it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from kd2edge.export.model_io import tensors
from kd2edge.export.passes.graph_pass import GraphPass

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

#: Operators whose scales or sizes must stay float32, or that carry graphs of their own.
_UNFIT = frozenset(
    {"DequantizeLinear", "If", "Loop", "QuantizeLinear", "RandomNormal", "Resize", "Scan"}
)
_LARGEST = float(np.finfo(np.float16).max)


@final
class CastFp16(GraphPass):
    """Weights, constants and everything between become float16; inputs and outputs keep their type.

    Values beyond float16's range (masks of -3.4e38) become its largest.  Sums inside softmax and
    layer norms are the runtime's to keep in float32: TensorRT does.
    """

    name = "cast_fp16"

    def before(self, model: ModelProto) -> str:
        unfit = sorted({node.op_type for node in model.graph.node} & _UNFIT)
        return f"it does not handle {', '.join(unfit)}" if unfit else ""

    def change(self, model: ModelProto) -> int:
        floats = [each for each in tensors(model.graph) if each.data_type == each.FLOAT]
        if not floats:  # done before: the casts at the outputs must stay
            return 0
        for each in floats:
            _cast_tensor(each)
        _cast_inside(model.graph)
        _cast_inputs(model.graph)
        _cast_outputs(model.graph)
        return len(floats)

    def after(self, model: ModelProto) -> str:
        left = [each.name for each in tensors(model.graph) if each.data_type == each.FLOAT]
        return f"{left} are still float32" if left else ""


def _cast_tensor(tensor: TensorProto) -> None:
    from onnx import numpy_helper

    values = np.clip(numpy_helper.to_array(tensor), -_LARGEST, _LARGEST)  # keeps NaN
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))


def _cast_inside(graph: GraphProto) -> None:
    """Casts to float32 and notes of float32 tensors become float16."""
    from onnx import TensorProto

    for node in graph.node:
        for attribute in node.attribute:
            if (
                node.op_type == "Cast"
                and attribute.name == "to"
                and attribute.i == TensorProto.FLOAT
            ):
                attribute.i = TensorProto.FLOAT16
    for value in graph.value_info:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16


def _cast_inputs(graph: GraphProto) -> None:
    from onnx import TensorProto, helper

    held = {tensor.name for tensor in graph.initializer}
    for value in graph.input:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT and value.name not in held:
            inner = f"{value.name}_fp16"
            _rename_reads(graph, value.name, inner)
            node = helper.make_node("Cast", [value.name], [inner], inner, to=TensorProto.FLOAT16)
            graph.node.insert(0, node)


def _cast_outputs(graph: GraphProto) -> None:
    from onnx import TensorProto, helper

    for value in graph.output:
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            continue
        inner = f"{value.name}_fp16"
        _rename_reads(graph, value.name, inner)
        for node in graph.node:
            node.output[:] = [inner if name == value.name else name for name in node.output]
        cast = helper.make_node("Cast", [inner], [value.name], inner, to=TensorProto.FLOAT)
        graph.node.append(cast)


def _rename_reads(graph: GraphProto, before: str, after: str) -> None:
    for node in graph.node:
        node.input[:] = [after if name == before else name for name in node.input]
