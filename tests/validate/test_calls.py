from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.inputs.kinds import input_kind
from kd2edge.rows.jsonl import JsonlRows
from kd2edge.runtime import handed, load
from kd2edge.runtime.model import Model
from kd2edge.validate.calls import CALLS, FORMS, call_checks
from kd2edge.validate.policy import DEMANDS
from kd2edge.validate.split import Split
from products import write_jsonl

WORDS = ("book", "a", "flight", "Anna", "met", "Bert", "Rome")
#: Different ones, so that answers in another order are others.
TEXTS = [" ".join(word for bit, word in enumerate(WORDS) if at >> bit & 1) for at in range(1, 91)]


def failed(folder, column: str, values: list[Any]) -> dict[str, str]:
    bundle = open_bundle(folder)
    encoders = {
        key: input_kind(spec.kind).open(
            spec, {role: bundle.read(file) for role, file in spec.files.items()}
        )
        for key, spec in bundle.manifest.inputs.items()
    }
    rows = JsonlRows(write_jsonl(folder.parent / "rows.jsonl", [{column: one} for one in values]))
    split = Split.of(rows, bundle.manifest.inputs, {})
    with load(folder, artefact="onnx-fp32", threads=1) as model:
        found = call_checks(model, encoders, split, DEMANDS["fp32"].calls)
    assert {check.name for check in found} == {CALLS, FORMS}
    return {check.name: check.detail for check in found if check.status == "failed"}


@pytest.fixture
def texts(tmp_path):
    return bundles.text_bundle(tmp_path / "text")


@pytest.mark.parametrize("count", [1, 2, 5, 90])
def test_a_sound_model_answers_alike_however_it_is_called(texts, tmp_path, count):
    assert failed(texts, "text", TEXTS[:count]) == {}
    images = [one.tolist() for one in bundles.images(count)]
    assert failed(bundles.image_bundle(tmp_path / "image"), "image", images) == {}


def backwards(answers: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {task: found[::-1] for task, found in answers.items()}


def rows_of(inputs: Any) -> int:
    return len(next(iter(inputs.values()))) if isinstance(inputs, dict) else 1


def has_twice(inputs: Any) -> bool:
    return isinstance(inputs, dict) and any(len(set(v)) < len(v) <= 12 for v in inputs.values())


@pytest.mark.parametrize(
    "when",
    [
        lambda inputs, how: 2 <= rows_of(inputs) <= 20,
        lambda inputs, how: 65 <= rows_of(inputs) <= 100,
        lambda inputs, how: how.get("batch_size") is not None,
        lambda inputs, how: has_twice(inputs),
    ],
)
def test_answers_that_depend_on_the_size_of_a_call_are_caught(texts, monkeypatch, when):
    real = Model.predict

    def predict(self: Model, inputs: Any, **how: Any) -> dict[str, list[Any]]:
        found = real(self, inputs, **how)
        return backwards(found) if when(inputs, how) else found

    monkeypatch.setattr(Model, "predict", predict)
    assert CALLS in failed(texts, "text", TEXTS)


@pytest.mark.parametrize("form", ["_column", "_records"])
def test_a_form_whose_rows_come_in_another_order_is_caught(texts, monkeypatch, form):
    real: Callable[..., Any] = getattr(handed, form)
    monkeypatch.setattr(handed, form, lambda *given: list(real(*given))[::-1])
    assert set(failed(texts, "text", TEXTS)) == {FORMS}


@pytest.mark.parametrize(
    "when",
    [
        lambda inputs, how: isinstance(inputs, str),
        lambda inputs, how: how.get("tasks") is not None,
        lambda inputs, how: how.get("top_k") is not None,
    ],
)
def test_one_value_one_task_and_several_labels_are_answered_alike(texts, monkeypatch, when):
    real = Model.predict

    def predict(self: Model, inputs: Any, **how: Any) -> dict[str, list[Any]]:
        found = real(self, inputs, **how)
        if when(inputs, how) and "intent" in found:
            for answer in found["intent"]:
                answer[0] = {**answer[0], "label": "another"}
        return found

    monkeypatch.setattr(Model, "predict", predict)
    assert set(failed(texts, "text", TEXTS)) == {FORMS}


def test_what_a_call_raises_is_said(texts, monkeypatch):
    real = Model.predict

    def predict(self: Model, inputs: Any, **how: Any) -> dict[str, list[Any]]:
        if rows_of(inputs) == 7:
            raise ZeroDivisionError("by seven")
        return real(self, inputs, **how)

    monkeypatch.setattr(Model, "predict", predict)
    assert "ZeroDivisionError: by seven" in failed(texts, "text", TEXTS)[CALLS]
