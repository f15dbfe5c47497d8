from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from kd2edge.errors import Kd2edgeError
from kd2edge.export.model_io import bytes_from_model, model_from_bytes, tensors
from kd2edge.export.passes.cast_fp16 import CastFp16
from kd2edge.export.passes.int8_embedding import Int8Embedding

NETS = ("bert", "electra", "cnn", "resnet")


@pytest.mark.parametrize("name", NETS)
def test_half_precision_stays_close_to_torch(name, case, run):
    one = case(name)
    graph = bytes_from_model(CastFp16()(model_from_bytes(one.onnx)).model)
    for batch, length in ((1, 1), (5, 32)):
        arrays = one.arrays(batch, length, seed=batch)
        found = run(graph, arrays)
        for task, logits in one.torch(arrays).items():
            assert found[task].dtype == np.float32
            assert np.abs(found[task] - logits).max() <= 0.01 * max(np.abs(logits).max(), 1.0)


@pytest.mark.parametrize("name", NETS)
def test_half_of_the_bytes_and_no_float32_constant(name, case):
    before = model_from_bytes(case(name).onnx)
    after = CastFp16()(before).model
    floats = sum(len(t.raw_data) for t in tensors(before.graph) if t.data_type == t.FLOAT)
    halves = sum(len(t.raw_data) for t in tensors(after.graph) if t.data_type == t.FLOAT16)
    assert floats == 2 * halves > 0


def small(*nodes, value=1.0):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    weight = numpy_helper.from_array(np.array([value, 1.0], np.float32), "w")
    opsets = [helper.make_opsetid("", 20)]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def test_float_inputs_and_outputs_are_cast_at_the_border(run):
    # The output is read inside the graph too.
    nodes = [helper.make_node("Add", ["x", "w"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    result = CastFp16()(small(*nodes, helper.make_node("Neg", ["y"], ["unused"])))
    x = np.array([-3.5, 2.25], np.float32)
    assert run(bytes_from_model(result.model), {"x": x})["y"].tolist() == [0.0, 3.25]
    assert [node.op_type for node in result.model.graph.node].count("Cast") == 2


def test_values_beyond_the_range_become_its_largest():
    result = CastFp16()(small(helper.make_node("Add", ["x", "w"], ["y"]), value=-3.4e38))
    weight = numpy_helper.to_array(result.model.graph.initializer[0])
    assert weight.tolist() == [-65504.0, 1.0]


def test_quantized_graph_is_refused(case):
    quantized = Int8Embedding("table")(model_from_bytes(case("electra").onnx)).model
    with pytest.raises(Kd2edgeError, match="DequantizeLinear"):
        CastFp16()(quantized)
