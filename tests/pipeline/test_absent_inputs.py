"""A recipe whose rows may lack one of two inputs, from its rows to the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.errors import InputError
from kd2edge.runtime import load
from products import text_rows, write_jsonl, write_tokenizer

_ENCODER = """{family: transformers, config: {model_type: electra, embedding_size: 8,
      hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
      max_position_embeddings: 16}}"""
_RECIPE = f"""\
version: 1
name: lacking
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}}
inputs:
  title: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 8, absent: true}}
  body: {{kind: text, tokenizer: {{path: tokenizer.json, vocab: cut}}, max_length: 12, absent: 0.2}}
tasks:
  intent: {{kind: classification, metric: macro_f1}}
student:
  model:
    encoders:
      title: {_ENCODER}
      body: {_ENCODER}
    fusion: {{kind: gated, width: 8}}
distill: {{alpha: 0}}
baseline: false
train: {{epochs: 2, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 16}}}}
"""


def rows_of() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"title": row["text"].split()[-1], "body": row["text"], "intent": row["intent"]}
        for row in text_rows()
    ]
    for at, row in enumerate(rows):
        if at % 5 == 0:
            row["title"] = None
        elif at % 5 == 1:
            del row["body"]
    return rows


def project(folder: Path, rows: list[dict[str, Any]]) -> Path:
    write_jsonl(folder / "train.jsonl", rows[0::2])
    write_jsonl(folder / "test.jsonl", rows[1::2])
    write_tokenizer(folder / "tokenizer.json", [row.get("body", "") for row in rows])
    (folder / "recipe.yaml").write_text(_RECIPE)
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lacking")
    recipe = project(folder, rows_of())
    result = kd2edge("distill", recipe, "--run-dir", folder / "run")
    assert result.code == 0, result.err
    result = kd2edge("export", folder / "run", "--out", folder / "bundle")
    assert result.code == 0, result.err
    return folder


def test_the_gate_asks_for_rows_that_lack_an_input(folder: Path) -> None:
    run, bundle = folder / "run", folder / "bundle"
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json")
    assert judged.code in (0, 3), judged.err
    for name, one in judged.json["artefacts"].items():
        edges = json.dumps(one)
        assert "title: absent" in edges or one["verdict"] != "failed", (name, edges[:2000])
        if name.endswith("fp32"):
            assert one["verdict"] != "failed", (name, one["reason"])


def test_rows_that_lack_an_input_are_answered(folder: Path) -> None:
    with load(folder / "bundle", self_test=True) as model:
        whole = model.predict({"title": ["Anna", None], "body": [None, "please order"]})["intent"]
        for given in (
            {"body": ["please order"]},
            {"title": [None], "body": ["please order"]},
            [{"body": "please order"}],
            {"body": ["please order"], "title": [float("nan")]},
        ):
            (answer,) = model.predict(given)["intent"]
            assert answer[0]["label"] == whole[1][0]["label"]
            np.testing.assert_allclose(answer[0]["score"], whole[1][0]["score"], atol=1e-5)
        for batch in (None, 1, 2):
            with pytest.raises(InputError, match="row 2: the row has no input at all"):
                model.predict(
                    {"title": ["Anna", "a b c", None], "body": ["a", "b", None]}, batch_size=batch
                )
        with pytest.raises(InputError, match="missing"):
            model.predict({})


def test_predict_takes_lines_that_lack_a_column(folder: Path, tmp_path: Path) -> None:
    lines = write_jsonl(tmp_path / "rows.jsonl", [{"body": "please order"}, {"title": "Anna"}])
    result = kd2edge("predict", folder / "bundle", lines)
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == 2
    lines = write_jsonl(tmp_path / "none.jsonl", [{"body": "please order"}, {"other": "Anna"}])
    result = kd2edge("predict", folder / "bundle", lines)
    assert result.code == 2
    assert "none.jsonl:2" in result.err
    assert "no input at all" in result.err


def test_predict_says_which_input_no_row_has(folder: Path, tmp_path: Path) -> None:
    rows: list[dict[str, str | None]] = [
        {"body": "please order", "titel": "Anna"},
        {"body": "a b c"},
    ]
    result = kd2edge("predict", folder / "bundle", write_jsonl(tmp_path / "a.jsonl", rows))
    assert result.code == 0, result.err
    said = "answered without input title: no row has 'title'; did you mean 'titel'?"
    assert said in result.err
    rows[1]["title"] = None  # said to be absent, which is no mistake
    result = kd2edge("predict", folder / "bundle", write_jsonl(tmp_path / "b.jsonl", rows))
    assert "answered without" not in result.err
    assert "title: text from title; a row may lack it" in kd2edge("inspect", folder / "bundle").out


def test_a_training_row_without_any_input_is_refused(tmp_path: Path) -> None:
    rows = rows_of()
    rows[4] = {"title": "", "intent": "greet"}
    result = kd2edge("check", project(tmp_path, rows))
    assert result.code == 2
    assert "train.jsonl:3" in result.err
    assert "the row has no input at all" in result.err


def test_an_input_that_no_row_has_is_refused(tmp_path: Path) -> None:
    rows = [{name: one for name, one in row.items() if name != "title"} for row in rows_of()]
    rows = [row | {"body": "order"} for row in rows]
    result = kd2edge("check", project(tmp_path, rows))
    assert result.code == 2
    assert "no row of split train has the input 'title'" in result.err
