"""Store the prototypes of tasks that reject by distance as int8, and compute in float."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from kd2edge.export.passes.graph_pass import GraphPass
from kd2edge.export.passes.int8_embedding import int8_rows
from kd2edge.tasks.reject import MATRIX

if TYPE_CHECKING:
    from onnx import ModelProto

#: Matrices with fewer numbers than this stay float: they weigh nothing.
_SMALLEST = 4096


@final
class Int8Prototypes(GraphPass):
    """A quarter of the bytes: symmetric, a scale a prototype, made float again before the product.

    A threshold on a cosine shows every rounding of what is multiplied, so the product itself stays
    float; the quantizers leave one alone whose weight is no constant.  Cast and Mul, which engines
    fold when they load: what stands behind a DequantizeLinear, ONNX Runtime (1.32) multiplies in
    int8 again.
    """

    name = "int8_prototypes"

    def change(self, model: ModelProto) -> int:
        from onnx import TensorProto, helper, numpy_helper

        graph = model.graph
        large = [
            tensor
            for tensor in graph.initializer
            if tensor.name.endswith(MATRIX) and np.prod(tensor.dims) >= _SMALLEST
        ]
        for tensor in large:
            name = tensor.name
            small, scales = int8_rows(numpy_helper.to_array(tensor).T)
            graph.initializer.remove(tensor)
            parts = {f"{name}_int8": np.ascontiguousarray(small.T), f"{name}_scales": scales}
            for part, array in parts.items():
                graph.initializer.append(numpy_helper.from_array(array, part))
            cast = f"{name}_cast"
            nodes = [
                helper.make_node("Cast", [f"{name}_int8"], [cast], cast, to=TensorProto.FLOAT),
                helper.make_node("Mul", [cast, f"{name}_scales"], [name], f"{name}_floats"),
            ]
            for at, node in enumerate(nodes):
                graph.node.insert(at, node)
        return len(large)
