from __future__ import annotations

import pytest

from kd2edge.bundle.gains import float_of, shortcomings, size_text

SIZES = {"onnx-fp32": 306_719, "onnx-int8-qdq": 92_000, "onnx-int8-dynamic": 305_176}


@pytest.mark.parametrize(
    ("artefact", "exact"),
    [
        ("onnx-int8-qdq", "onnx-fp32"),
        ("openvino-int8", "openvino-fp32"),
        ("tensorrt-fp16", "tensorrt-fp32"),
        ("onnx-fp32", ""),
    ],
)
def test_beside_it_stands_the_float_artefact_of_the_same_target(artefact: str, exact: str):
    assert float_of(artefact) == exact


def test_a_float_file_in_disguise_saves_nothing():
    (said,) = shortcomings("onnx-int8-dynamic", SIZES)
    assert said == (
        "onnx-int8-dynamic saves nothing: 305,176 bytes, onnx-fp32 has 306,719 (0.99x): its weights"
        " stayed float"
    )
    assert size_text("onnx-int8-dynamic", SIZES) == "0.99x of onnx-fp32: saves nothing"


def test_one_that_saves_says_how_much():
    assert shortcomings("onnx-int8-qdq", SIZES) == ()
    assert size_text("onnx-int8-qdq", SIZES) == "0.30x of onnx-fp32"
    assert size_text("onnx-fp32", SIZES) == ""


def test_one_that_is_slower_says_so_and_a_tie_does_not():
    times = {"onnx-fp32": 0.25, "onnx-int8-qdq": 0.31, "onnx-int8-dynamic": 0.2501}
    (said,) = shortcomings("onnx-int8-qdq", SIZES, times)
    assert said == "onnx-int8-qdq is slower than onnx-fp32: 1.24x of its time"
    assert len(shortcomings("onnx-int8-dynamic", SIZES, times)) == 1  # its bytes alone


def test_without_a_float_artefact_nothing_is_said():
    assert shortcomings("openvino-int8", {"openvino-int8": 10, "openvino-fp32": None}) == ()
    assert size_text("openvino-int8", {"openvino-int8": 10}) == ""


def test_graphs_that_engines_are_built_from_say_nothing_of_these():
    sizes = {"tensorrt-fp32": 100, "tensorrt-int8": 101}
    assert shortcomings("tensorrt-int8", sizes) == ()
    assert size_text("tensorrt-int8", sizes) == ""
