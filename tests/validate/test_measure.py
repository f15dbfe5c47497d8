"""Faults that show in one way to run the rows, or only in what ``predict`` makes of outputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.errors import BackendError
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.runtime.model import Model
from kd2edge.runtime.session import Session
from kd2edge.validate import validate_bundle

WIDE = {"digit": 0.05, "larger": 0.05}
TEXT = {"intent": 0.05, "ner": 0.05}


def run(folder, rows, *names, **options):
    options = {"threads": 1, "max_drop": WIDE, **options}
    return validate_bundle(folder, rows=rows, artefacts=list(names) or None, **options)


def nan_where(graph: bytes, task: str, pixel: int, value: float = np.nan) -> bytes:
    """The image graph whose head is NaN in its first channel where the first pixel is ``pixel``."""
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.output[:] = ["raw" if name == task else name for name in node.output]
    model.graph.node.extend(
        [
            helper.make_node("Slice", ["pixel_values", "from", "to", "axes"], ["corner"]),
            helper.make_node("Reshape", ["corner", "column"], ["corners"]),
            helper.make_node("Equal", ["corners", "pixel"], ["is so"]),
            helper.make_node("Where", ["is so", "odd", "raw"], [task]),
        ]
    )
    tensors = {
        "from": np.zeros(3, np.int64), "to": np.ones(3, np.int64),
        "axes": np.array([1, 2, 3], np.int64), "column": np.array([-1, 1], np.int64),
        "pixel": np.array([[pixel]], np.uint8), "odd": np.array([[value]], np.float32),
    }  # fmt: skip
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(one, name) for name, one in tensors.items()
    )
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    return model.SerializeToString(deterministic=True)


def test_whole_rows_are_told_of_the_way_with_the_fewest_and_judge_nothing(bundle, rows, tools):
    graph = bundles.wrong_at(bundles.image_graph(), "digit", 1, add=8.0)
    tools.with_artefact(bundle, "onnx-int8-odd", graph)
    found = run(bundle, rows, "onnx-fp32", "onnx-int8-odd").artefacts
    sound, odd = found["onnx-fp32"].whole_rows, found["onnx-int8-odd"].whole_rows
    assert sound.drop.value == 0
    assert sound.candidate.rows == odd.candidate.rows == len(rows)
    assert (
        sound.candidate.value
        <= found["onnx-fp32"].tasks["digit"].metrics["accuracy"].candidate.value
    )
    assert odd.drop.value == pytest.approx(sound.candidate.value - odd.candidate.value)
    assert odd.drop.value > 0
    assert "Rows on which every task is right:" in run(bundle, rows, "onnx-fp32").table()


@pytest.mark.parametrize("size", [1, 2, 5, 13, 33, 63, 64])
def test_a_graph_that_is_wrong_at_one_size_of_a_batch_fails(bundle, rows, tools, size):
    graph = bundles.wrong_at(bundles.image_graph(), "digit", size, add=8.0)
    tools.with_artefact(bundle, "onnx-int8-odd", graph)
    found = run(bundle, rows, "onnx-int8-odd").artefacts["onnx-int8-odd"]
    assert found.verdict == "fail"
    assert f"batch {size})" in found.reason
    assert size in {way.batch for way in found.ways}
    assert f"batch {size}" in found.tasks["digit"].way
    assert found.tasks["larger"].verdict == "pass"


def test_a_graph_that_is_wrong_above_a_size_fails(bundle, rows, tools):
    graph = onnx.load_from_string(bundles.wrong_at(bundles.image_graph(), "digit", 32, add=8.0))
    for node in graph.graph.node:
        if node.op_type == "Equal":
            node.op_type = "Greater"
    tools.with_artefact(bundle, "onnx-int8-odd", graph.SerializeToString())
    found = run(bundle, rows, "onnx-int8-odd").artefacts["onnx-int8-odd"]
    assert found.verdict == "fail"
    assert "batch 64" in found.tasks["digit"].way


@pytest.mark.parametrize("length", [3, 7, 11, 12])
def test_a_graph_that_is_wrong_at_one_length_fails(tmp_path, tools, length):
    rows = tools.text_rows(160)
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text"), rows)
    graph = bundles.wrong_at(bundles.text_graph(), "intent", length, axis=1)
    tools.with_artefact(folder, "onnx-int8-odd", graph)
    found = run(folder, rows, "onnx-int8-odd", max_drop={"intent": 0.02, "ner": 0.1})
    assert found.artefacts["onnx-int8-odd"].verdict == "fail"
    assert "intent" in found.artefacts["onnx-int8-odd"].reason


def spoil(monkeypatch, is_so):
    """Every session gives other digits where ``is_so(threads, batch)``."""
    sound = Session.run

    def odd(self, arrays):
        outputs = sound(self, arrays)
        if is_so(self.threads, len(next(iter(arrays.values())))):
            outputs["digit"] = -outputs["digit"]
        return outputs

    monkeypatch.setattr(Session, "run", odd)
    monkeypatch.setattr("kd2edge.runtime.threads.default_threads", lambda: 2)


@pytest.mark.parametrize(
    ("is_so", "way"),
    [
        (lambda threads, batch: threads == 2, "2 threads, batch"),
        (lambda threads, batch: threads == 2 and batch == 1, "2 threads, batch 1"),
        (lambda threads, batch: threads == 1 and batch == 64, "1 thread, batch 64"),
    ],
)
def test_what_is_wrong_with_some_threads_fails(bundle, rows, monkeypatch, is_so, way):
    monkeypatch.setattr("kd2edge.runtime.threads.default_threads", lambda: 2)
    assert run(bundle, rows, "onnx-int8-qdq", threads=None).outcome == "pass"
    spoil(monkeypatch, is_so)
    validation = run(bundle, rows, "onnx-int8-qdq", threads=None)
    found = validation.artefacts["onnx-int8-qdq"]
    assert (found.verdict, validation.threads, validation.batches) == ("fail", (1, 2), (1, 64))
    assert way in found.tasks["digit"].way


def test_threads_that_give_the_same_cost_no_second_run(bundle, rows, monkeypatch):
    monkeypatch.setattr("kd2edge.runtime.threads.default_threads", lambda: 2)
    found = run(bundle, rows, "onnx-fp32", threads=None).artefacts["onnx-fp32"]
    assert [str(way) for way in found.ways] == ["2 threads, batch 64", "1 thread, batch 1"]


def wrong_label(spec):
    names = spec.labels
    return lambda logits: [
        [{"label": names[(int(row.argmax()) + 1) % len(names)], "score": 0.5}] for row in logits
    ]


def wrong_score(spec):
    return lambda logits: [{"score": 0.75, "label": spec.labels[int(row[0] > 0)]} for row in logits]


@pytest.mark.parametrize(
    ("kind", "short_cut", "task"),
    [("classification", wrong_label, "digit"), ("binary", wrong_score, "larger")],
)
def test_a_wrong_short_cut_of_predict_fails(bundle, rows, monkeypatch, kind, short_cut, task):
    from kd2edge.runtime.quick import QUICK

    monkeypatch.setitem(QUICK, kind, short_cut)
    found = run(bundle, rows, "onnx-int8-qdq").artefacts["onnx-int8-qdq"]
    assert found.verdict == "fail"
    assert f"answers: {task}: predict answers" in found.reason
    assert "of 200 rows" in found.reason


def test_answers_in_another_order_than_the_rows_fail(bundle, rows, monkeypatch):
    sound = Model.predict

    def odd(self, inputs, **options):
        return {task: found[::-1] for task, found in sound(self, inputs, **options).items()}

    monkeypatch.setattr(Model, "predict", odd)
    found = run(bundle, rows, "onnx-int8-qdq").artefacts["onnx-int8-qdq"]
    assert found.verdict == "fail"
    assert "predict answers" in found.reason


def test_batches_that_say_other_rows_than_theirs_fail(bundle, rows, monkeypatch):
    from kd2edge.runtime.batches import Batches

    sound = Batches.of

    def odd(self, inputs, batch_size):
        made = list(sound(self, inputs, batch_size))
        return [made[at]._replace(rows=made[-1 - at].rows) for at in range(len(made))]

    monkeypatch.setattr(Batches, "of", odd)
    found = run(bundle, rows, "onnx-int8-qdq").artefacts["onnx-int8-qdq"]
    assert found.verdict == "fail"
    assert "predict fails on rows 0 to 199 together" in found.reason


def test_rows_that_are_answered_without_a_run_fail(bundle, rows, monkeypatch):
    """Each batch says the right rows; one runs twice, and one that never ran is answered too."""
    from kd2edge.runtime.batches import Batches

    sound = Batches.of

    def odd(self, inputs, batch_size):
        batches = list(sound(self, inputs, batch_size))
        return batches if len(batches) < 3 else [batches[0], batches[0], *batches[2:]]

    monkeypatch.setattr(Batches, "of", odd)
    found = run(bundle, rows, "onnx-fp32").artefacts["onnx-fp32"]
    (answers,) = [check for check in found.answers if check.name == "answers"]
    assert found.verdict == "fail"
    assert "predict answers a row after" in answers.detail


def test_entities_that_are_lost_fail(tmp_path, tools, monkeypatch):
    from kd2edge.tasks import token_classification
    from kd2edge.tasks.spans import spans_of

    rows = tools.text_rows(60)
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text"), rows)
    assert run(folder, rows, "onnx-int8-qdq", max_drop=dict.fromkeys(TEXT, 0.2)).outcome == "pass"

    def long_ones(labels, scores, words):
        return [span for span in spans_of(labels, scores, words) if " " in span["text"]]

    monkeypatch.setattr(token_classification, "spans_of", long_ones)
    found = run(folder, rows, "onnx-int8-qdq", max_drop=dict.fromkeys(TEXT, 0.2))
    assert found.outcome == "fail"
    assert "answers: ner: predict answers" in found.artefacts["onnx-int8-qdq"].reason


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["onnx-int8-odd", "onnx-fp32-odd"])
def test_an_output_that_is_not_finite_on_a_row_fails_and_names_it(bundle, rows, tools, name, value):
    fresh = [{**row, "image": np.maximum(row["image"], 1)} for row in rows]
    for at in (17, 150):
        fresh[at]["image"][0, 0] = 0
    changed = tools.ListRows(fresh)
    tools.with_reference(bundle, changed)
    tools.with_artefact(bundle, name, nan_where(bundles.image_graph(), "digit", 0, value))
    found = run(bundle, changed, name).artefacts[name]
    assert found.verdict == "fail"
    assert "finite outputs: digit: outputs are NaN or infinite on 2 of 200 rows (17, 150)" in (
        found.reason
    )
    assert "every row answered" not in found.reason  # said once
    assert found.tasks["larger"].verdict == "pass"


def test_rows_that_predict_refuses_fail_and_are_named(bundle, rows, monkeypatch):
    sound, wanted = Model.predict, rows[40]["image"]

    def odd(self, inputs, **options):
        if any(image is wanted for image in inputs["image"]):
            raise BackendError("no such row")
        return sound(self, inputs, **options)

    monkeypatch.setattr(Model, "predict", odd)
    found = run(bundle, rows, "onnx-int8-qdq").artefacts["onnx-int8-qdq"]
    assert found.verdict == "fail"
    assert "predict refuses 1 of 200 rows (40): BackendError: no such row" in found.reason
    assert found.tasks["digit"].metrics["accuracy"].drop.rows == 199


def test_a_task_without_logits_of_pytorch_is_named(bundle, rows, tools):
    for path, prefix in (
        ("reference/test.npz", "logits/larger"),
        ("golden/golden.npz", "out.larger"),
    ):
        arrays = npz_arrays(open_bundle(bundle).read(path))
        arrays = {name: one for name, one in arrays.items() if name != prefix}
        tools.rewritten(bundle, {path: npz_bytes(arrays)})
    validation = run(bundle, rows)
    found = {name: one.verdict for name, one in validation.artefacts.items()}
    assert set(found.values()) == {"undecided"}
    reason = validation.artefacts["onnx-fp32"].reason
    assert "numbers of larger: the bundle has no PyTorch logits" in reason
    assert "golden outputs" in reason
    table = validation.table()
    assert "onnx-int8-qdq numbers not run: no PyTorch logits of larger" in table
    assert "golden outputs: golden rows say nothing of larger" in table.partition("int8-qdq")[2]


def test_logits_that_only_golden_has_are_looked_at(bundle, rows, tools):
    arrays = npz_arrays(open_bundle(bundle).read("reference/test.npz"))
    arrays.pop("logits/larger")
    tools.rewritten(bundle, {"reference/test.npz": npz_bytes(arrays)})
    found = run(bundle, rows, "onnx-fp32").artefacts["onnx-fp32"]
    assert found.verdict == "pass"
    assert {task: parts[0].rows for task, parts in found.numbers.items()} == {
        "digit": 64, "larger": 4,
    }  # fmt: skip
