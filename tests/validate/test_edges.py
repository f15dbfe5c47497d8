from __future__ import annotations

import numpy as np
import onnx
import pytest

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.inputs.kinds import input_kind
from kd2edge.runtime import load
from kd2edge.runtime.session import Session
from kd2edge.validate.edges import edge_checks, edges_of


def failures(folder, name: str, usual) -> dict[str, str]:
    bundle = open_bundle(folder)
    encoders = {
        key: input_kind(spec.kind).open(
            spec, {role: bundle.read(file) for role, file in spec.files.items()}
        )
        for key, spec in bundle.manifest.inputs.items()
    }
    with load(folder, artefact=name, threads=1) as model:
        checks = edge_checks(model, encoders, usual)
        assert len(checks) >= 5
        return {check.name: check.detail for check in checks if check.status == "failed"}


def changed(change) -> bytes:
    model = onnx.load_from_string(bundles.text_graph())
    change(model.graph)
    return model.SerializeToString(deterministic=True)


def test_a_sound_text_model_stands_every_edge(tmp_path):
    folder = bundles.text_bundle(tmp_path / "text")
    assert failures(folder, "onnx-fp32", {"text": "book a flight"}) == {}


def test_a_sound_image_model_stands_every_edge(tmp_path):
    folder = bundles.image_bundle(tmp_path / "image")
    assert failures(folder, "onnx-fp32", {"image": bundles.images(1)[0]}) == {}


def test_a_mean_over_no_words_is_caught(tmp_path, tools):
    """0 / 0: the classic of a masked mean."""

    def change(graph):
        graph.node.insert(
            5, onnx.helper.make_node("ReduceSum", ["mask3", "middle"], ["count"], keepdims=0)
        )
        graph.node.insert(6, onnx.helper.make_node("Div", ["pooled", "count"], ["mean"]))
        for node in graph.node:
            if list(node.output) == ["intent"]:
                node.input[0] = "mean"

    folder = tools.with_artefact(
        bundles.text_bundle(tmp_path / "text"), "onnx-int8-mean", changed(change)
    )
    found = failures(folder, "onnx-int8-mean", {"text": "book a flight"})
    assert list(found) == ["all padding"]
    assert "intent" in found["all padding"]


def test_a_graph_that_breaks_on_unusual_rows_is_caught(tmp_path, tools):
    """log of the word count less 2: an empty text has only its two ends."""

    def change(graph):
        graph.node.insert(
            5, onnx.helper.make_node("ReduceSum", ["mask3", "middle"], ["count"], keepdims=0)
        )
        two = onnx.numpy_helper.from_array(bundles.np.array(2.0, bundles.np.float32), "two")
        graph.initializer.append(two)
        graph.node.insert(6, onnx.helper.make_node("Sub", ["count", "two"], ["left"]))
        graph.node.insert(7, onnx.helper.make_node("Log", ["left"], ["log"]))
        graph.node.insert(8, onnx.helper.make_node("Add", ["pooled", "log"], ["sum"]))
        for node in graph.node:
            if list(node.output) == ["intent"]:
                node.input[0] = "sum"

    folder = tools.with_artefact(
        bundles.text_bundle(tmp_path / "text"), "onnx-int8-log", changed(change)
    )
    found = failures(folder, "onnx-int8-log", {"text": "book a flight"})
    assert "text: empty" in found
    assert "text: empty, beside an ordinary row" in found
    assert "text: longest" not in found


def test_a_model_that_answers_nonsense_is_caught(tmp_path, monkeypatch):
    folder = bundles.text_bundle(tmp_path / "text")
    from kd2edge.runtime.model import Model

    monkeypatch.setattr(Model, "predict", lambda self, inputs, **_: {"intent": []})
    found = failures(folder, "onnx-fp32", {"text": "book"})
    assert set(found) == {"text: None is refused", "text: NaN is refused"}

    def crash(self, inputs, **_):
        raise TypeError("float has no len")

    monkeypatch.setattr(Model, "predict", crash)
    assert (
        "found TypeError" in failures(folder, "onnx-fp32", {"text": "book"})["text: NaN is refused"]
    )


@pytest.mark.parametrize("rows", [0, 2])
def test_another_number_of_answers_is_caught(tmp_path, monkeypatch, rows):
    folder = bundles.text_bundle(tmp_path / "text")
    from kd2edge.runtime.model import Model

    real = Model.logits

    def short(self, inputs):
        outputs = real(self, inputs)
        return {name: output[:1].repeat(rows, axis=0) for name, output in outputs.items()}

    monkeypatch.setattr(Model, "logits", short)
    assert "batch of one" in failures(folder, "onnx-fp32", {"text": "book"})


def test_an_edge_that_fails_with_some_threads_has_failed(tmp_path, monkeypatch):
    folder = bundles.image_bundle(tmp_path / "image")
    sound = Session.run

    def odd(self, arrays):
        outputs = sound(self, arrays)
        if self.threads == 2 and not next(iter(arrays.values())).any():
            outputs["digit"] = outputs["digit"] * np.nan
        return outputs

    monkeypatch.setattr(Session, "run", odd)
    models = {count: load(folder, artefact="onnx-fp32", threads=count) for count in (1, 2)}
    encoder = input_kind("image").open(bundles.IMAGE_INPUT, {})
    found = edges_of(models, {"image": encoder}, {"image": encoder.edge_values()["noise"]})
    failed = {check.name: check.detail for check in found if check.status == "failed"}
    assert set(failed) == {"image: black"}
    assert "(2 threads)" in failed["image: black"]
    assert len({check.name for check in found}) == len(found)
