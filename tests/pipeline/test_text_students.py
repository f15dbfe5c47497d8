"""Static and convolutional students of text, from a teacher's outputs to the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.nets import build_net, load_net
from kd2edge.runtime import load
from products import write_text_project, write_token_project

_OUTPUT = "student.init={from: bert, embeddings: output}"
_FED = (
    "distill.feed=[{teacher: bert, from: heads.intent.dropout:input, to: layers.0, until: 0.4,"
    " shape: cosine}]"
)
_EXPORT = "export={targets: [onnx, openvino], precisions: [fp32, int8], calibration: {rows: 16}}"


def made(folder: Path, recipe: Path, *overrides: str) -> Path:
    """Distilled and exported; the folder holds ``run`` and ``bundle``."""
    settings = [part for one in (*overrides, _EXPORT) for part in ("--set", one)]
    result = kd2edge("distill", recipe, "--run-dir", folder / "run", *settings)
    assert result.code == 0, result.err
    flags = ("--onnx", "--openvino", "--numpy") if "static" in "".join(overrides) else ()
    result = kd2edge("export", folder / "run", "--out", folder / "bundle", *flags)
    assert result.code == 0, result.err
    return folder


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    model = "student.model={family: static, config: {embedding: 12, hidden: [16]}, pooling: both}"
    followed = "distill.features=[{teacher: bert, from: heads.intent.dropout:input, to: layers.0}]"
    return made(folder, write_text_project(folder), model, _OUTPUT, followed, _FED)


@pytest.fixture(scope="module")
def conv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conv")
    model = "student.model={family: conv, config: {embedding: 8, width: 16, layers: 2}}"
    return made(folder, write_token_project(folder), model, _OUTPUT)


def require_no_failure(folder: Path, *more: str) -> None:
    judged = kd2edge("validate", folder / "bundle", "--run", folder / "run", "--threads", "1",
                     "--json")  # fmt: skip
    assert judged.code in (0, 3), judged.err
    artefacts: dict[str, Any] = judged.json["artefacts"]
    assert set(artefacts) == {
        *("onnx-fp32", "onnx-int8-qdq", "onnx-int8-dynamic"),
        *("openvino-fp32", "openvino-int8"),
        *more,
    }
    for name, one in artefacts.items():
        assert one["verdict"] != "failed", (name, one["reason"])


def test_the_gate_passes_a_static_student(static: Path) -> None:
    require_no_failure(static, "numpy-fp32", "numpy-int8")


def test_numpy_alone_answers_like_onnx_runtime(static: Path) -> None:
    texts = {"text": ["cancel my card now", "", "hello"]}
    with (
        load(static / "bundle", artefact="numpy-fp32", self_test=True) as model,
        load(static / "bundle", artefact="onnx-fp32") as other,
    ):
        expected = other.logits(texts)
        for task, logits in model.logits(texts).items():
            np.testing.assert_allclose(logits, expected[task], rtol=1e-4, atol=1e-4)


def test_another_student_is_refused_when_checked_and_when_exported(conv: Path) -> None:
    result = kd2edge("check", conv / "recipe.yaml", "--set", "export.targets=[onnx, numpy]")
    assert result.code == 2
    assert "'numpy' runs students of family static alone" in result.err
    result = kd2edge("export", conv / "run", "--numpy", "--out", conv / "other", "--json")
    assert result.code == 2
    reason = result.json["artefacts"]["numpy-fp32"]["reason"]
    assert "target numpy runs students of family static alone" in reason


def test_the_gate_passes_a_convolutional_student_of_words(conv: Path) -> None:
    require_no_failure(conv)


def test_student_and_baseline_ask_the_teacher_about_pieces_once(static: Path) -> None:
    lines = [json.loads(line) for line in (static / "run" / "log.jsonl").read_text().splitlines()]
    asked = [line for line in lines if line.get("stage") == "ask bert"]
    assert len(asked) == 1
    pieces = load_net(static / "run" / "student").vocabulary["text"]
    assert asked[0]["detail"] == f"each of {pieces} pieces alone"
    assert (static / "run" / "baseline.safetensors").is_file()


def test_what_was_fed_is_no_part_of_the_student(static: Path) -> None:
    net = load_net(static / "run" / "student")
    fresh = build_net(net.model, net.inputs, net.tasks, vocabulary=net.vocabulary)
    assert set(net.state_dict()) == set(fresh.state_dict())


@pytest.mark.parametrize(
    ("feed", "place", "message"),
    [
        ("from: encoder.layer.9, to: layers.0", "from", "has no module 'encoder.layer.9'"),
        ("from: encoder.layer.1, to: layers.0", "to", "which is added to a sequence of words"),
        ("from: heads.intent.dropout:input, to: layers.4", "to", "has no module 'layers.4'"),
        (
            "from: heads.intent.dropout:input, to: layers.0, until: 1",
            "until",
            "expected less than 1",
        ),
    ],
)
def test_what_cannot_be_fed_is_said_when_the_recipe_is_checked(
    static: Path, feed: str, place: str, message: str
) -> None:
    model = "student.model={family: static, config: {embedding: 12, hidden: [16]}, pooling: both}"
    named = f"distill.feed=[{{teacher: bert, {feed}}}]"
    result = kd2edge("check", static / "recipe.yaml", "--set", model, "--set", named)
    assert result.code == 2
    assert f"distill.feed.0.{place}" in result.err
    assert message in result.err


def test_a_text_without_a_piece_is_answered(static: Path) -> None:
    with load(static / "bundle", self_test=True) as model:
        answers = model.predict([{"text": ""}, {"text": "cancel my card now"}])
    assert len(answers["intent"]) == 2


def test_a_finished_student_is_taken_over_and_one_of_another_start_is_not(static: Path) -> None:
    recipe = static / "recipe.yaml"
    before = (static / "run" / "student.safetensors").read_bytes()
    settings = [
        part
        for line in (
            "student.model={family: static, config: {embedding: 12, hidden: [16]}, pooling: both}",
            "distill.features=[{teacher: bert, from: heads.intent.dropout:input, to: layers.0}]",
            _FED,
            _EXPORT,
        )
        for part in ("--set", line)
    ]
    run = ("--run-dir", static / "run", "--resume")
    assert kd2edge("distill", recipe, *run, *settings, "--set", _OUTPUT).code == 0
    assert (static / "run" / "student.safetensors").read_bytes() == before
    other = "student.init={from: bert, embeddings: output, weighing: none}"
    result = kd2edge("distill", recipe, *run, *settings, "--set", other)
    assert result.code == 2
    assert "belongs to another net" in result.err
