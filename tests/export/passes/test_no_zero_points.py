from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from kd2edge.export.model_io import bytes_from_model
from kd2edge.export.passes.no_zero_points import NoZeroPoints

WEIGHT = np.random.default_rng(0).integers(-63, 64, (16, 8)).astype(np.int8)


def product(zeros: np.ndarray | None):
    """Bytes times int8 weights, with zero points of the weights."""
    x = helper.make_tensor_value_info("x", TensorProto.UINT8, ["batch", 16])
    y = helper.make_tensor_value_info("y", TensorProto.INT32, ["batch", 8])
    held = {"w": WEIGHT, "x_zero": np.array(3, np.uint8)}
    inputs = ["x", "w", "x_zero"]
    if zeros is not None:
        held["w_zero"] = zeros
        inputs.append("w_zero")
    node = helper.make_node("MatMulInteger", inputs, ["y"])
    tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
    graph = helper.make_graph([node], "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("shape", [(), (8,)])
def test_zeros_go_and_no_number_changes(shape, run):
    before = product(np.zeros(shape, np.int8))
    result = NoZeroPoints()(before)
    assert result.changes == 1
    assert [tensor.name for tensor in result.model.graph.initializer] == ["w", "x_zero"]
    x = np.random.default_rng(1).integers(0, 256, (5, 16)).astype(np.uint8)
    one, two = (run(bytes_from_model(model), {"x": x})["y"] for model in (before, result.model))
    np.testing.assert_array_equal(one, two)
    assert NoZeroPoints()(result.model).changes == 0


def test_a_zero_point_that_counts_stays():
    zeros = np.zeros(8, np.int8)
    zeros[3] = 1
    assert NoZeroPoints()(product(zeros)).changes == 0
    assert NoZeroPoints()(product(None)).changes == 0
