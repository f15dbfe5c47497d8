from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from kd2edge.export.model_io import bytes_from_model, model_from_bytes
from kd2edge.export.passes.int8_embedding import int8_rows
from kd2edge.export.passes.int8_prototypes import Int8Prototypes
from kd2edge.quantize import int8_dynamic

NAME = "net.heads.intent.scope.matrix"


def nearest(matrix: np.ndarray, *, name: str = NAME):
    """The largest of the products of a row with the columns of a matrix."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(matrix)])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1])
    nodes = [
        helper.make_node("MatMul", ["x", name], ["products"], "product"),
        helper.make_node("ReduceMax", ["products", "axis"], ["y"], "largest"),
    ]
    held = {name: matrix, "axis": np.array([1])}
    weights = [numpy_helper.from_array(array, key) for key, array in held.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], weights)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def prototypes(count: int = 200) -> np.ndarray:
    found = np.random.default_rng(1).normal(size=(32, count)).astype(np.float32)
    return found / np.linalg.norm(found, axis=0)


def test_products_are_with_the_rounded_prototypes(run):
    matrix = prototypes()
    result = Int8Prototypes()(nearest(matrix))
    assert result.changes == 1
    rows = np.random.default_rng(2).normal(size=(9, 32)).astype(np.float32)
    small, scales = int8_rows(matrix.T)
    wanted = (rows @ (small.astype(np.float32) * scales[:, None]).T).max(axis=1, keepdims=True)
    found = run(bytes_from_model(result.model), {"x": rows})["y"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    exact = run(bytes_from_model(nearest(matrix)), {"x": rows})["y"]
    assert np.abs(found - exact).max() < 0.02 * np.linalg.norm(rows, axis=1).max()


def test_it_is_a_quarter_of_the_bytes():
    before = nearest(prototypes())
    after = Int8Prototypes()(before).model
    assert after.ByteSize() < 0.35 * before.ByteSize()


def test_a_second_run_and_other_matrices_change_nothing():
    once = Int8Prototypes()(nearest(prototypes())).model
    assert Int8Prototypes()(once).changes == 0
    assert (
        Int8Prototypes()(nearest(prototypes(), name="net.heads.intent.linear.weight")).changes == 0
    )
    assert Int8Prototypes()(nearest(prototypes(16))).changes == 0  # they weigh nothing


def test_quantizers_leave_its_product_in_float():
    model = Int8Prototypes()(nearest(prototypes())).model
    # Another product, so that there is something to quantize.
    model.graph.initializer.append(
        numpy_helper.from_array(np.random.default_rng(3).normal(size=(32, 32)).astype("f"), "w")
    )
    model.graph.node.append(helper.make_node("MatMul", ["x", "w"], ["z"], "other"))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 32]))
    made = model_from_bytes(int8_dynamic(bytes_from_model(model)))
    kinds = {node.name: node.op_type for node in made.graph.node}
    assert kinds["product"] == "MatMul"
    assert kinds["other"] != "MatMul"
