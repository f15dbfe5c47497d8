from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from kd2edge.errors import Kd2edgeError
from kd2edge.export.model_io import bytes_from_model
from kd2edge.export.passes.short_names import ShortNames

LONG = "backbone.encoder.layer.0.attention.self.query.weight_quantized_scale"


def chain(inner: int, clash: str = "x"):
    """A chain of sums with a long name at each step; ``clash`` is the input's name."""
    x = helper.make_tensor_value_info(clash, TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    weight = helper.make_tensor(LONG, TensorProto.FLOAT, [4], [1.0, 2.0, 3.0, 4.0])
    names = [clash, *(f"{LONG}_{at}" for at in range(inner)), "y"]
    nodes = [
        helper.make_node("Add", [one, LONG], [other], name=f"node_{other}")
        for one, other in zip(names, names[1:], strict=False)
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_values_get_short_names_and_no_number_changes(run):
    before = chain(50)
    result = ShortNames()(before)
    assert result.changes == 51
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    one, two = (run(bytes_from_model(model), {"x": x})["y"] for model in (before, result.model))
    np.testing.assert_array_equal(one, two)
    assert result.model.ByteSize() < before.ByteSize() * 0.7
    assert ShortNames()(result.model).changes == 0


def test_nodes_keep_the_names_by_which_their_modules_are_found():
    names = [[node.name for node in model.graph.node] for model in (chain(3), shortened(chain(3)))]
    assert names[0] == names[1]


def test_a_short_name_is_never_that_of_an_input_or_output(run):
    model = shortened(chain(3, clash="v1"))
    assert model.graph.input[0].name == "v1"
    assert [node.output[0] for node in model.graph.node] == ["v2", "v3", "v4", "y"]
    x = np.ones((1, 4), np.float32)
    np.testing.assert_array_equal(run(bytes_from_model(model), {"v1": x})["y"], [[5, 9, 13, 17]])


def test_a_graph_with_graphs_inside_is_left_alone():
    inner = chain(1).graph
    del inner.input[:]
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    x = helper.make_tensor_value_info("x", TensorProto.BOOL, [])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    model = helper.make_model(helper.make_graph([node], "g", [x], [y]))
    with pytest.raises(Kd2edgeError, match="graphs inside of it"):
        ShortNames()(model)


def shortened(model: ModelProto) -> ModelProto:
    return ShortNames()(model).model
