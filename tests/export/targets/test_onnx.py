from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from kd2edge.errors import BackendError, DataError, UsageError
from kd2edge.export.targets import TARGETS
from kd2edge.export.targets.target import Variant

INT8 = ("onnx-int8-qdq", "onnx-int8-dynamic")
ONNX = TARGETS["onnx"]


def test_fp32_is_the_exported_graph(made, case):
    one = made("bert", "onnx-fp32")
    assert one.files == {"onnx/onnx-fp32.onnx": case("bert").onnx}


@pytest.mark.parametrize("identity", INT8)
@pytest.mark.parametrize("name", ["bert", "electra", "static", "conv", "cnn", "resnet"])
def test_int8_stays_close_to_torch_at_every_size(identity, name, made, case, run):
    one = case(name)
    graph = made(name, identity).files[f"onnx/{identity}.onnx"]
    for batch, length in ((1, 1), (7, 32)):
        arrays = one.arrays(batch, length, seed=50 + batch)
        found = run(graph, arrays)
        for task, logits in one.torch(arrays).items():
            assert found[task].shape == logits.shape
            assert np.abs(found[task] - logits).max() <= 0.1 * max(np.abs(logits).max(), 1.0)


@pytest.mark.parametrize("identity", INT8)
def test_int8_of_the_text_student_has_a_quarter_of_the_bytes(identity, made, case):
    size = len(made("electra192", identity).files[f"onnx/{identity}.onnx"])
    assert 0.25 <= size / len(case("electra192").onnx) <= 0.27


@pytest.mark.parametrize("identity", INT8)
@pytest.mark.parametrize("name", ["electra", "static", "conv"])
def test_int8_graph_looks_up_int8_rows(name, identity, made):
    graph = ModelProto.FromString(made(name, identity).files[f"onnx/{identity}.onnx"]).graph
    tables = [one for one in graph.initializer if one.data_type == TensorProto.INT8]
    largest = max(tables, key=lambda one: len(one.raw_data)).name
    readers = Counter(node.op_type for node in graph.node if largest in node.input)
    assert readers == {"Gather": 1}  # never the whole table at once


def test_settings_say_how_it_was_quantized(made):
    settings = made("bert", "onnx-int8-qdq").settings
    assert settings["reduce_range"] is True
    assert settings["method"] == "minmax"
    assert settings["exclude"] == []
    assert set(made("bert", "onnx-int8-qdq").tools) == {"onnx", "onnxruntime"}


def test_only_what_was_calibrated_says_on_which_rows(made, source):
    sample = dict(source("bert").sample())
    assert sample
    assert made("bert", "onnx-int8-qdq").settings["calibration"] == sample
    for identity in ("onnx-fp32", "onnx-int8-dynamic"):
        assert "calibration" not in made("bert", identity).settings


def test_excluded_node_stays_float(source, case):
    graph = ModelProto.FromString(case("bert").onnx).graph
    weights = {tensor.name for tensor in graph.initializer}
    product = next(n.name for n in graph.node if n.op_type == "MatMul" and n.input[1] in weights)
    with_it = replace(source("bert"), exclude=(product,))
    graph = ModelProto.FromString(
        ONNX.make(with_it, Variant("onnx", "int8", "qdq")).files["onnx/onnx-int8-qdq.onnx"]
    ).graph
    node = next(each for each in graph.node if each.name == product)
    assert not any("Dequantize" in name for name in node.input)
    with pytest.raises(UsageError, match="no_such"):
        ONNX.make(replace(with_it, exclude=("no_such",)), Variant("onnx", "int8", "dynamic"))


def test_static_without_rows_is_refused(source):
    without = replace(source("cnn"), calibration=tuple)
    with pytest.raises(DataError, match="at least one row"):
        ONNX.make(without, Variant("onnx", "int8", "qdq"))


def test_needs_only_what_the_precisions_need(monkeypatch):
    import kd2edge.export.targets.tools as tools

    ONNX.needs(["fp32", "int8"])
    there = tools.find_spec
    monkeypatch.setattr(
        tools, "find_spec", lambda name: None if name == "onnxruntime" else there(name)
    )
    ONNX.needs(["fp32"])
    with pytest.raises(
        BackendError, match=r'onnxruntime; run: pip install "kd2edge\[validate,cpu\]"'
    ):
        ONNX.needs(["int8"])
