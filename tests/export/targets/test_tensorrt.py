from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")

from kd2edge.errors import BackendError, UsageError
from kd2edge.export.targets import TARGETS
from kd2edge.export.targets.target import Variant
from kd2edge.export.targets.tensorrt_builder import BuildSettings, Network
from kd2edge.inputs.spec import ArraySpec

TENSORRT = TARGETS["tensorrt"]
PRECISIONS = ("fp32", "fp16", "int8")


def parts(made, name, precision):
    """Artefact, graph and build settings."""
    one = made(name, f"tensorrt-{precision}")
    stem = f"tensorrt/tensorrt-{precision}"
    return one, one.files[f"{stem}.onnx"], BuildSettings.from_json(one.files[f"{stem}.build.json"])


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ["bert", "electra", "cnn", "resnet"])
def test_every_graph_is_parsed_and_built(name, precision, made):
    one, graph, settings = parts(made, name, precision)
    assert one.status == "needs_device"
    assert "kd2edge build BUNDLE" in one.reason
    built = Network(graph, settings).build()
    assert len(built.engine) > 10_000
    assert built.tool == "tensorrt_rtx"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_settings_state_what_the_engine_takes(precision, made, case):
    one, _, settings = parts(made, "bert", precision)
    assert settings.inputs == case("bert").inputs
    assert settings.outputs == case("bert").outputs
    assert settings.profiles["input_ids"] == ((1, 1), (4, 6), (16, 32))
    assert settings.quantized == (precision == "int8")
    assert (
        json.loads(one.files[f"tensorrt/tensorrt-{precision}.build.json"])["strongly_typed"] is True
    )


def test_only_int8_says_on_which_rows_it_was_calibrated(made, source):
    settings = {
        precision: made("bert", f"tensorrt-{precision}").settings for precision in PRECISIONS
    }
    assert settings["int8"]["calibration"] == dict(source("bert").sample())
    assert settings["fp32"] == settings["fp16"] == {}


def test_int8_graph_is_what_tensorrt_takes(made):
    _, data, _ = parts(made, "electra", "int8")
    graph = ModelProto.FromString(data).graph
    counts = Counter(node.op_type for node in graph.node)
    assert counts["DequantizeLinear"] > counts["QuantizeLinear"] > 0
    types = {tensor.data_type for tensor in graph.initializer}
    assert TensorProto.INT8 in types
    assert not {TensorProto.UINT8, TensorProto.INT32} & types


@pytest.mark.parametrize("name", ["bert", "electra", "cnn", "resnet"])
def test_int8_graph_stays_close_to_torch(name, made, case):
    import onnxruntime

    one, (_, graph, _) = case(name), parts(made, name, "int8")
    options = onnxruntime.SessionOptions()
    # As TensorRT computes: exact sums.  The fused kernels saturate where the CPU has no VNNI.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    arrays = one.arrays(7, 30, seed=50)
    for spec, found in zip(one.outputs, session.run(None, arrays), strict=True):
        logits = one.torch(arrays)[spec.name]
        assert np.abs(found - logits).max() <= 0.1 * max(np.abs(logits).max(), 1.0)


def test_fp16_graph_holds_half_of_the_bytes(made, case):
    _, graph, _ = parts(made, "electra192", "fp16")
    assert 0.49 <= len(graph) / len(case("electra192").onnx) <= 0.52


def test_int8_of_the_text_student_has_a_quarter_of_the_bytes(made, case):
    _, graph, settings = parts(made, "electra192", "int8")
    assert 0.25 <= len(graph) / len(case("electra192").onnx) <= 0.27
    Network(graph, settings).build()


def test_graph_that_tensorrt_cannot_parse_is_failed_with_its_reason(source):
    node = helper.make_node("Unique", ["x"], ["y"], "the_culprit")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch"]) for n in "xy")
    opsets = [helper.make_opsetid("", 20)]
    graph = helper.make_graph([node], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    arrays = [ArraySpec(name, "float32", ("batch",)) for name in "xy"]
    wrong = replace(
        source("cnn"), graph=model.SerializeToString(), inputs=(arrays[0],), outputs=(arrays[1],)
    )
    made = TENSORRT.make(wrong, Variant("tensorrt", "fp32"))
    assert (made.status, made.files, made.entry) == ("failed", {}, "")
    assert "the_culprit" in made.reason


def test_dimension_without_range_is_refused(source):
    with pytest.raises(UsageError, match="length"):
        TENSORRT.make(
            replace(source("bert"), ranges={"batch": (1, 4)}), Variant("tensorrt", "fp32")
        )


def test_missing_tensorrt_names_the_install_line(monkeypatch):
    TENSORRT.needs(["fp32", "int8"])
    for module in ("tensorrt", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BackendError, match=r'run: pip install "kd2edge\[rtx\]"') as failure:
        TENSORRT.needs(["fp32"])
    assert failure.value.exit_code == 6
