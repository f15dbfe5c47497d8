from __future__ import annotations

from kd2edge.engines import ENGINES, PRECISIONS, artefact_id, ranked, unmade


def test_artefacts_are_tried_exact_before_small_and_engines_last():
    assert ranked() == (
        "onnx-fp32", "openvino-fp32", "numpy-fp32", "onnx-int8-qdq", "openvino-int8",
        "numpy-int8", "onnx-int8-dynamic",
        "tensorrt-fp32", "tensorrt-fp16", "tensorrt-int8",
    )  # fmt: skip


def test_the_table_names_each_thing_once():
    for part in ("target", "flag", "title", "backend", "extra"):
        values = [getattr(engine, part) for engine in ENGINES.values()]
        assert len(set(values)) == len(values), part
    for engine in ENGINES.values():
        assert set(engine.precisions) <= set(PRECISIONS)
        extra = f'"kd2edge[{engine.extra}]"' if engine.extra else "kd2edge"
        assert engine.install == f"pip install {extra}"


def test_an_id_has_a_variant_where_there_are_two():
    assert artefact_id("onnx", "fp32", "") == "onnx-fp32"
    assert artefact_id("onnx", "int8", "qdq") == "onnx-int8-qdq"


def test_a_precision_is_made_where_one_target_has_it():
    assert unmade(["onnx", "tensorrt"], ["fp32", "fp16"]) == []
    assert unmade(["onnx", "openvino"], ["fp32", "fp16"]) == ["fp16"]
