from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from kd2edge.export.model_io import bytes_from_model
from kd2edge.export.passes.counted_positions import CountedPositions


def lookup(positions: np.ndarray):
    """The first positions, as many as ``x`` has columns, out of what the graph keeps."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length"])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [None] * positions.ndim)
    held = {"ids": positions, "zero": np.array([0]), "axis": np.array([positions.ndim - 1])}
    nodes = [
        helper.make_node("Shape", ["x"], ["length"], start=1, end=2),
        helper.make_node("Slice", ["ids", "zero", "length", "axis"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("shape", [(1, 512), (512,), (1, 1, 64)])
def test_positions_are_counted_and_no_number_changes(shape, run):
    before = lookup(np.arange(max(shape)).reshape(shape))
    result = CountedPositions()(before)
    assert result.changes == 1
    assert CountedPositions()(result.model).changes == 0
    x = {"x": np.zeros((2, 7), np.float32)}
    one, two = (run(bytes_from_model(model), x)["y"] for model in (before, result.model))
    np.testing.assert_array_equal(one, two)
    if max(shape) == 512:
        assert len(bytes_from_model(result.model)) < len(bytes_from_model(before)) - 3700


@pytest.mark.parametrize(
    "other",
    [
        np.arange(1, 513),  # it begins elsewhere, as RoBERTa's
        np.arange(512)[::-1].copy(),
        np.arange(512).reshape(2, 256),
        np.arange(512, dtype=np.int32),
        np.arange(8),
    ],
)
def test_other_constants_stay(other):
    assert CountedPositions()(lookup(other)).changes == 0
