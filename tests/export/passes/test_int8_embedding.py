from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper

from kd2edge.errors import Kd2edgeError
from kd2edge.export.model_io import bytes_from_model, model_from_bytes
from kd2edge.export.passes.int8_embedding import Int8Embedding, int8_rows, int8_table, is_even

FORMS = ("rows", "table")


def look_up(table, *, axis=0, reader="Gather", output=False, opset=20):
    """A graph that looks ids up in a table, with variations that the pass must leave alone."""
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, None])
    if reader == "Gather":
        nodes = [helper.make_node("Gather", ["w", "ids"], ["y"], "look_up", axis=axis)]
    else:
        nodes = [
            helper.make_node("Gather", ["w", "ids"], ["g"], "look_up"),
            helper.make_node("MatMul", ["g", "t"], ["y"]),
            helper.make_node("Transpose", ["w"], ["t"]),
        ]
        nodes = [nodes[0], nodes[2], nodes[1]]
    outputs = [out]
    if output:
        outputs.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, list(table.shape)))
    weights = [numpy_helper.from_array(table, "w")]
    graph = helper.make_graph(nodes, "g", [ids], outputs, weights)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


TABLE = np.random.default_rng(0).normal(size=(300, 32)).astype(np.float32)


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2),
        elements=st.floats(-(2.0**40), 2.0**40, width=32, allow_subnormal=False),
    )
)
def test_int8_rows_are_within_half_a_step(table):
    quantized, scales = int8_rows(table)
    assert quantized.min() >= -127
    assert (scales > 0).all()
    error = np.abs(quantized * scales[:, None].astype(np.float64) - table)
    assert (error <= scales[:, None] * 0.5001).all()


@pytest.mark.parametrize("form", FORMS)
def test_look_up_gives_the_dequantized_rows(form, run):
    before = look_up(TABLE)
    result = Int8Embedding(form)(before)
    assert result.changes == 1
    ids = np.random.default_rng(1).integers(0, len(TABLE), (3, 11))
    quantized, scales = int8_rows(TABLE)
    found = run(bytes_from_model(result.model), {"ids": ids})["y"]
    assert np.array_equal(found, quantized[ids].astype(np.float32) * scales[ids][..., None])
    assert np.abs(found - TABLE[ids]).max() <= np.abs(TABLE).max() / 127
    ratio = result.model.ByteSize() / before.ByteSize()
    assert ratio < 0.32


def test_both_forms_give_the_same_numbers(case, run):
    one = case("electra")
    model, arrays = model_from_bytes(one.onnx), one.arrays(3, 9)
    graphs = [bytes_from_model(Int8Embedding(form)(model).model) for form in FORMS]
    rows, table = (run(graph, arrays) for graph in graphs)
    for task, logits in one.torch(arrays).items():
        assert np.array_equal(rows[task], table[task])
        assert 0 < np.abs(rows[task] - logits).max() < 0.05 * np.abs(logits).max()


def test_only_the_rows_form_avoids_a_float_table():
    operators = {
        form: [node.op_type for node in Int8Embedding(form)(look_up(TABLE)).model.graph.node]
        for form in FORMS
    }
    assert operators["rows"] == ["Gather", "Cast", "Gather", "Cast", "Mul"]
    assert operators["table"] == ["DequantizeLinear", "Gather"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "model",
    [
        look_up(TABLE[:8]),
        look_up(TABLE.astype(np.float16)),
        look_up(np.ones((5000, 1), np.float32)),
        look_up(TABLE, axis=1),
        look_up(TABLE, reader="MatMul"),
        look_up(TABLE, output=True),
    ],
    ids=["small", "fp16", "narrow", "other axis", "other reader", "is an output"],
)
def test_other_tables_stay_as_they_are(form, model):
    assert Int8Embedding(form)(model).changes == 0


@pytest.mark.parametrize("form", FORMS)
def test_table_with_two_readers(form, run):
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, None, None])
    nodes = [
        helper.make_node("Gather", ["w", "ids"], ["a"], "first"),
        helper.make_node("Gather", ["w", "ids"], ["b"], "second"),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [ids], [out], [numpy_helper.from_array(TABLE, "w")])
    opsets = [helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    result = Int8Embedding(form)(model)
    assert result.changes == 1
    where = np.array([[0, 5, 299]])
    found = run(bytes_from_model(result.model), {"ids": where})["y"]
    assert np.abs(found - 2 * TABLE[where]).max() <= 2 * np.abs(TABLE).max() / 127


def test_old_opset_and_wrong_form_are_refused():
    with pytest.raises(Kd2edgeError, match="opset 13"):
        Int8Embedding("rows")(look_up(TABLE, opset=11))
    with pytest.raises(ValueError, match="'columns'"):
        Int8Embedding("columns")


@pytest.mark.parametrize(("factor", "width"), [(1.0, 2), (1e-9, 4), (1e9, 4)])
def test_scales_are_stored_as_float16_where_that_loses_nothing(factor, width, run):
    table = TABLE * np.float32(factor)
    result = Int8Embedding("rows")(look_up(table))
    (scales,) = [each for each in result.model.graph.initializer if each.name == "w_scales"]
    assert numpy_helper.to_array(scales).itemsize == width
    ids = np.arange(len(table))[None]
    found = run(bytes_from_model(result.model), {"ids": ids})["y"][0]
    quantized, expected = int8_rows(table)
    assert np.array_equal(found, quantized.astype(np.float32) * expected[:, None])


def test_looked_up_rows_may_be_reshaped(run):
    """ONNX Runtime moves a DequantizeLinear behind a Reshape; without a zero point, as unsigned."""
    before = look_up(TABLE)
    joined = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", None])
    before.graph.node[0].output[0] = "g"
    shape = numpy_helper.from_array(np.array([-1, 3 * TABLE.shape[1]]), "shape")
    before.graph.initializer.append(shape)
    weight = numpy_helper.from_array(np.eye(3 * TABLE.shape[1], dtype=np.float32), "eye")
    before.graph.initializer.append(weight)
    before.graph.node.extend(
        [
            helper.make_node("Reshape", ["g", "shape"], ["flat"]),
            helper.make_node("Concat", ["flat"], ["all"], axis=-1),
            helper.make_node("MatMul", ["all", "eye"], ["y"]),
        ]
    )
    before.graph.output[0].CopyFrom(joined)
    result = Int8Embedding("rows", one_scale=True)(before)
    ids = np.random.default_rng(1).integers(0, len(TABLE), (4, 3))
    found = run(bytes_from_model(result.model), {"ids": ids})["y"]
    assert TABLE.min() < -3
    np.testing.assert_allclose(found, TABLE[ids].reshape(4, -1), atol=np.abs(TABLE).max() / 127)


def test_an_even_table_needs_one_scale(run):
    before = look_up(TABLE)
    result = Int8Embedding("rows", one_scale=True)(before)
    assert [node.op_type for node in result.model.graph.node] == ["Gather", "DequantizeLinear"]
    ids = np.random.default_rng(1).integers(0, len(TABLE), (3, 11))
    quantized, scale = int8_table(TABLE)
    found = run(bytes_from_model(result.model), {"ids": ids})["y"]
    assert np.array_equal(found, quantized[ids].astype(np.float32) * scale)
    assert np.abs(found - TABLE[ids]).max() <= scale * 0.5001
    by_row = Int8Embedding("rows")(before).model
    assert result.model.ByteSize() < by_row.ByteSize() - 2 * len(TABLE)
    assert Int8Embedding("rows", one_scale=True)(result.model).changes == 0


def test_a_table_of_uneven_rows_keeps_a_scale_a_row():
    uneven = (
        TABLE * np.where(np.arange(len(TABLE)) % 20 == 0, 0.01, 1.0).astype(np.float32)[:, None]
    )
    assert is_even(TABLE)
    assert not is_even(uneven)
    model = Int8Embedding("rows", one_scale=True)(look_up(uneven)).model
    operators = [node.op_type for node in model.graph.node]
    assert operators == ["Gather", "Cast", "Gather", "Cast", "Mul"]
    outlier = TABLE.copy()
    outlier[0] *= 100  # one row would take all the steps
    assert not is_even(outlier)
    assert is_even(np.zeros_like(TABLE))
