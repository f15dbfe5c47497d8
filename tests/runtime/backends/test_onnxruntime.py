from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import bundles
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.runtime import Session


def session(graph: bytes | None = None, **options) -> Session:
    return Session.from_bytes(
        graph or bundles.image_graph(), threads=1, label="onnx-fp32", **options
    )


def test_a_missing_provider_is_an_error_that_says_what_is_there():
    with pytest.raises(BackendError, match="CUDAExecutionProvider") as caught:
        session(providers=["cuda"]).open()
    assert caught.value.exit_code == 6
    assert "CPUExecutionProvider" in str(caught.value)
    assert "kd2edge[gpu]" in str(caught.value)


def test_an_unknown_provider_is_an_error_too():
    with pytest.raises(BackendError, match="no Quantum"):
        session(providers=["Quantum", "cpu"]).open()


def test_fallback_is_taken_only_when_asked_for(capfd: pytest.CaptureFixture[str]):
    with session(providers=["cuda"], allow_fallback=True) as opened:
        assert opened.providers == ("CPUExecutionProvider",)
    with session(providers=["CUDAExecutionProvider", "cpu"], allow_fallback=True) as opened:
        assert opened.providers == ("CPUExecutionProvider",)
    assert capfd.readouterr() == ("", "")


def test_a_provider_that_is_listed_but_does_not_start_is_an_error(monkeypatch, capfd):
    # What onnxruntime-gpu does without a driver: CUDA is available, the session runs on the CPU.
    import onnxruntime

    real = onnxruntime.InferenceSession

    def without_cuda(graph, options, *, providers, enable_fallback, disabled_optimizers):
        assert enable_fallback == 0
        assert disabled_optimizers == []  # what is slow on a CPU is not on a GPU
        assert dict(providers)["CUDAExecutionProvider"] == {"use_tf32": "0"}
        return real(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)

    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", without_cuda)
    with pytest.raises(BackendError, match="CUDAExecutionProvider did not start .no device"):
        session(providers=["cuda", "cpu"]).open()
    assert session(providers=["cuda", "cpu"], allow_fallback=True).spec.inputs

    # CUDA's libraries come as pip packages, which the loader's path does not name.
    def preload_dlls() -> None:
        sys.stdout.write("Failed to load libcudnn.so.9: no such file\nPlease follow a link")

    monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls, raising=False)
    with pytest.raises(BackendError, match=r"libcudnn.so.9: no such file\); run: pip install"):
        session(providers=["cuda", "cpu"]).open()
    assert capfd.readouterr() == ("", "")


def test_without_onnx_runtime_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r'pip install "kd2edge\[cpu\]"') as caught:
        session().open()
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("graph", [b"x", b"\x00" * 100, bundles.image_graph()[:-50]])
def test_bytes_that_are_no_graph_are_an_integrity_error(graph: bytes, capfd):
    with pytest.raises(IntegrityError, match="onnx-fp32: no graph"):
        session(graph).open()
    assert capfd.readouterr() == ("", "")  # ONNX Runtime logs nothing of its own


def test_an_operator_without_a_kernel_is_a_backend_error():
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [node],
        "bf16",
        [value("x", onnx.TensorProto.BFLOAT16, [1])],
        [value("y", onnx.TensorProto.BFLOAT16, [1])],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    with pytest.raises(BackendError, match="no kernel"):
        session(model.SerializeToString()).open()


def lookup_graph() -> bytes:
    """A table that ONNX Runtime reads from another file without a word, where it is let to."""
    tensor = onnx.numpy_helper.from_array(np.ones((4, 2), np.float32), "table")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Gather", ["table", "x"], ["y"])],
        "lookup",
        [value("x", onnx.TensorProto.INT64, [None])],
        [value("y", onnx.TensorProto.FLOAT, [None, 2])],
        [tensor],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.mark.parametrize("whole", [bundles.image_graph(), bundles.text_graph(), lookup_graph()])
def test_external_data_is_refused_even_where_the_file_stands(
    whole: bytes, tmp_path: Path, monkeypatch
):
    with session(whole) as opened:
        assert opened.spec.inputs
    graph = bundles.outside(whole, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IntegrityError, match="in another file"):
        session(graph).open()
    with pytest.raises(IntegrityError, match="external data is refused"):
        session(graph, companions={"weights.bin": b"1"}).open()


def test_float16_and_string_types_get_numpy_names():
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "half",
        [value("x", onnx.TensorProto.FLOAT16, [None, 2])],
        [value("y", onnx.TensorProto.FLOAT16, [None, 2])],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    with session(model.SerializeToString()) as opened:
        assert opened.spec.inputs[0].dtype == "float16"
        assert opened.spec.inputs[0].shape == ("?", 2)
        array = np.ones((3, 2), np.float16)
        np.testing.assert_array_equal(opened.run({"x": array})["y"], array)


def test_a_sum_and_a_layer_norm_stay_two_nodes_on_a_cpu():
    opened = session()
    opened.open()
    assert opened.options["disabled_optimizers"] == ["SkipLayerNormFusion"]
    opened.close()
