"""A recipe with two inputs of one kind, from its rows to the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import kd2edge
from kd2edge.nets import load_net
from kd2edge.runtime import load
from products import BERT, review_rows, text_rows, write_jsonl, write_tokenizer

_ENCODER = """{family: transformers, config: {model_type: electra, embedding_size: 8,
      hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24,
      max_position_embeddings: 16}}"""
_RECIPE = f"""\
version: 1
name: two
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}}
  leaks: keep
inputs:
  title: {{kind: text, tokenizer: {{path: tokenizer.json, vocab: cut}}, max_length: 8}}
  body: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 12}}
tasks:
  intent: {{kind: classification, metric: macro_f1}}
teachers:
  - name: one
    inputs: {{body: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 12}}}}
    model:
      family: transformers{BERT}
    train: {{epochs: 1, batch_size: 16}}
student:
  model:
    encoders:
      title: {_ENCODER}
      body: {_ENCODER}
    fusion: {{kind: concat, hidden: 8}}
distill:
  alpha: 0.5
  features: [{{teacher: one, from: encoder.layer.1, to: body.encoder.layer.0, loss: cosine}}]
baseline: false
train: {{epochs: 1, lr: 5.0e-3, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 16}}}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    rows = [
        {"title": row["text"].split()[-1], "body": row["text"], "intent": row["intent"]}
        for row in text_rows()
    ]
    write_jsonl(folder / "train.jsonl", rows[0::2])
    write_jsonl(folder / "test.jsonl", rows[1::2])
    write_tokenizer(folder / "tokenizer.json", [row["body"] for row in rows])
    (folder / "recipe.yaml").write_text(_RECIPE)
    return folder


def test_two_texts_go_all_the_way(project: Path) -> None:
    run, bundle = project / "run", project / "bundle"
    result = kd2edge("distill", project / "recipe.yaml", "--run-dir", run)
    assert result.code == 0, result.err
    net = load_net(run / "student")
    assert net.vocabulary["title"] < net.vocabulary["body"]
    assert kd2edge("export", run, "--out", bundle).code == 0
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json")
    assert judged.code in (0, 3), judged.err
    graph = {name: one for name, one in judged.json["artefacts"].items() if name.endswith("fp32")}
    assert graph
    for one in graph.values():
        assert one["verdict"] != "failed", one
    with load(bundle) as model:
        long = {"title": ["Anna", "Bert now"], "body": ["please order a new card Anna", "hello"]}
        alone = [model.predict({name: [of[at]] for name, of in long.items()}) for at in range(2)]
        both = model.predict(long)
        found = [one["label"] for (one,) in both["intent"]]
        assert found == [one["intent"][0][0]["label"] for one in alone]
        assert model.session.spec.limits("title.length") == (2, 8)
        assert model.session.spec.limits("body.length") == (2, 12)


def test_two_tables_of_words_cannot_start_from_one(project: Path) -> None:
    for init, said in (
        ("{from: one, embeddings: svd}", "has word embeddings for several inputs (title, body)"),
        (
            "{from: one, embeddings: none, layers: [0]}",
            "the student has layers for several inputs: title, body",
        ),
    ):
        result = kd2edge("check", project / "recipe.yaml", "--set", f"student.init={init}")
        assert result.code == 2
        assert said in " ".join(result.err.split())


_TABLES = """\
version: 1
name: tables
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}
  leaks: keep
inputs:
  person: {kind: tabular, numeric: [age], absent: 0.2}
  place: {kind: tabular, categorical: [town], rare: 1, absent: 0.2}
tasks:
  intent: {kind: classification, metric: accuracy}
student:
  model:
    encoders:
      person: {family: mlp, config: {hidden: [8]}}
      place: {family: mlp, config: {hidden: [8]}}
    fusion: {kind: concat, hidden: 16}
distill: {alpha: 0}
baseline: false
train: {epochs: 30, lr: 3.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
validate: {max_drop: 0.5}
"""


def test_two_tables_go_all_the_way(tmp_path: Path) -> None:
    rows = [row for row in review_rows() if row["age"] is not None]
    write_jsonl(tmp_path / "train.jsonl", rows[0::2])
    write_jsonl(tmp_path / "test.jsonl", rows[1::2])
    (tmp_path / "recipe.yaml").write_text(_TABLES)
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    result = kd2edge("distill", tmp_path / "recipe.yaml", "--run-dir", run, "--json")
    assert result.code == 0, result.err
    found = result.json["report"]["splits"]["test"]
    reached = {
        name: part["tasks"]["intent"]["student"]["metrics"]["accuracy"]["value"]
        for name, part in {"": found, **found["without"]}.items()
    }
    assert reached[""] == reached["person"] == 1.0  # the town alone tells
    assert reached["place"] < 0.7
    assert kd2edge("export", run, "--out", bundle).code == 0
    judged = kd2edge("validate", bundle, "--run", run, "--threads", "1", "--json")
    assert judged.code in (0, 3), judged.err
    exact = judged.json["artefacts"]["onnx-fp32"]
    assert exact["verdict"] != "fail", exact["faults"]
    assert {one["tasks"]["intent"]["changed"] for one in exact["without"].values()} == {0}
