"""A recipe with tasks of numbers, of several labels and of yes or no, from its rows to the gate."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from kd2edge.runtime import load
from products import BERT, write_jsonl, write_tokenizer

_WORDS = ("awful", "bad", "fair", "good", "great")
_RECIPE = f"""\
version: 1
name: numbers
data:
  sources:
    - {{name: rows, kind: jsonl, train: train.jsonl, validation: test.jsonl, test: test.jsonl}}
  leaks: keep
inputs:
  text: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 12}}
tasks:
  stars: {{kind: ordinal}}
  again: {{kind: binary, metric: accuracy}}
  price: {{kind: regression, unit: EUR, low: 0, high: 400}}
  parts: {{kind: multi_label}}
teachers:
  - name: bert
    model:
      family: transformers{BERT}
    train: {{epochs: 6, lr: 1.0e-2, batch_size: 16}}
student:
  model:
    family: transformers
    config: {{model_type: electra, embedding_size: 8, hidden_size: 16, num_hidden_layers: 1,
      num_attention_heads: 2, intermediate_size: 24, max_position_embeddings: 16}}
distill: {{alpha: 0.5}}
baseline: true
train: {{epochs: 6, lr: 1.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx, openvino], precisions: [fp32, int8], calibration: {{rows: 16}}}}
validate: {{max_drop: {{stars: 4, again: 1, price: 400, parts: 1}}}}
"""


def _rows() -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    rows = []
    for at in range(240):
        stars = int(random.integers(1, 6))
        text = f"{_WORDS[stars - 1]} {random.choice(('dress', 'shirt', 'coat'))} number {at % 40}"
        price = 100 + 40 * stars + float(random.normal(0, 5))
        again = "yes" if stars > 3 else "no"
        parts = [*(["dear"] * (stars > 2)), *(["worn"] * (stars < 4))]
        rows.append({"text": text, "stars": stars, "again": again, "price": price, "parts": parts})
    rows[0]["stars"] = rows[2]["price"] = rows[4]["parts"] = None
    return rows


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbers")
    rows = _rows()
    write_jsonl(folder / "train.jsonl", rows[0::2])
    write_jsonl(folder / "test.jsonl", rows[1::2])
    write_tokenizer(folder / "tokenizer.json", [row["text"] for row in rows])
    (folder / "recipe.yaml").write_text(_RECIPE)
    result = kd2edge("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    assert result.code == 0, result.err
    assert kd2edge("export", folder / "run", "--out", folder / "bundle").code == 0
    return folder


def test_the_report_speaks_in_levels_and_chooses_the_epoch_of_the_least_error(
    project: Path,
) -> None:
    report = json.loads((project / "run" / "report.json").read_text())
    student = report["splits"]["test"]["tasks"]["stars"]["student"]["metrics"]
    assert list(student) == ["level_mae", "accuracy", "quadratic_kappa", "spearman"]
    assert student["level_mae"]["value"] < 0.9  # 1.2 is what the middle would reach
    assert student["spearman"]["value"] > 0.5
    best = max(
        (point["validation"] for point in report["curves"]["student"]),
        key=lambda said: (
            said["again"] + 1 - said["stars"] / 4 + 1 - said["price"] / 400 + said["parts"]
        ),
    )
    found = report["splits"]["validation"]["tasks"]
    assert found["stars"]["student"]["metrics"]["level_mae"]["value"] == pytest.approx(
        best["stars"]
    )
    page = (project / "run" / "report.html").read_text()
    assert "stars, price: of an error" in page
    assert "Errors in EUR" in page


def test_values_are_learned_in_their_unit(project: Path) -> None:
    report = json.loads((project / "run" / "report.json").read_text())
    student = report["splits"]["test"]["tasks"]["price"]["student"]
    assert list(student["metrics"]) == ["mae", "rmse", "r2", "spearman"]
    assert student["metrics"]["r2"]["value"] > 0.3
    assert student["metrics"]["mae"]["value"] < 50  # EUR; 48 is what the mean would reach
    assert len(student["errors"]["quantiles"]) == 5


def test_each_of_several_labels_has_scores_of_its_own(project: Path) -> None:
    report = json.loads((project / "run" / "report.json").read_text())
    student = report["splits"]["test"]["tasks"]["parts"]["student"]
    assert list(student["metrics"]) == ["micro_f1", "macro_f1", "map"]
    assert student["metrics"]["micro_f1"]["value"] > 0.7
    assert [one["label"] for one in student["per_class"]] == ["dear", "worn"]
    assert "confusion" not in student


def test_every_artefact_passes_and_answers_levels(project: Path) -> None:
    judged = kd2edge(
        "validate", project / "bundle", "--run", project / "run", "--threads", "1", "--json"
    )
    assert judged.code == 0, judged.err
    assert judged.json["artefacts"]
    told = kd2edge(
        "validate", project / "bundle", "--run", project / "run", "--threads", "1",
        "--max-drop", "stars=0.001",
    )  # fmt: skip
    assert told.code == 3
    assert "levels" in told.out
    with load(project / "bundle") as model:
        found = model.predict({"text": ["great dress", "awful coat"]}, top_k=2)
        answers, values = found["stars"], [one["value"] for one in found["price"]]
    assert 0 <= values[1] < values[0] <= 400
    best, worst = found["parts"]
    assert [[one["label"] for one in row[:1]] for row in (best, worst)] == [["dear"], ["worn"]]
    assert [len(answer) for answer in answers] == [2, 2]
    first, second = (int(answer[0]["label"]) for answer in answers)
    assert 1 <= second < first <= 5


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("tasks.price.low=500", "expected more than low"),
        ("tasks.price.low=nan", "low"),
        (
            "tasks.price.high=1.0e40",
            r"tasks\.price\.high: expected at most 3.40282e\+38 \(float32\)",
        ),
        ("tasks.price.metric=accuracy", "no metric 'accuracy'|no such metric|there are"),
        (
            "validate.max_drop={stars: 4, again: 2, price: 1, parts: 1}",
            "accuracy of again is a share",
        ),
        ("tasks.again={kind: regression}", "expected a number, found the text 'yes'"),
        ("tasks.price={kind: ordinal}", "the fraction|state the labels, lowest first"),
        (
            "tasks.price={kind: regression, column: stars, high: 4}",
            r"train\.jsonl:\d+: task price: .*'stars'.*expected a value from -inf to 4",
        ),
        (
            "tasks.stars={kind: ordinal, labels: [1, 2, 3, 4]}",
            r"train\.jsonl:\d+: task stars: .*'5'",
        ),
        ("tasks.again={kind: multi_label}", "holds text, expected a list of labels"),
        ("distill.alpha=correct", r"distill\.alpha: price: correct is defined for tasks"),
        ("tasks.parts={kind: classification}", "'parts' holds lists; a task of several labels"),
    ],
)
def test_a_recipe_that_does_not_suit_the_rows_is_refused_before_training(
    project: Path, setting: str, says: str
) -> None:
    found = kd2edge("check", project / "recipe.yaml", "--set", setting)
    assert found.code == 2, found.out
    assert re.search(says, found.err), found.err


def test_a_value_that_never_changes_leaves_nothing_to_learn(project: Path, tmp_path: Path) -> None:
    rows = [{**row, "price": 7} for row in _rows()]
    for name in ("train", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", rows)
    for name in ("tokenizer.json", "recipe.yaml"):
        (tmp_path / name).write_bytes((project / name).read_bytes())
    found = kd2edge("check", tmp_path / "recipe.yaml")
    assert found.code == 2
    assert "the same value, 7, in every training row" in found.err


def test_a_plan_says_where_values_lie(project: Path) -> None:
    found = kd2edge("check", project / "recipe.yaml")
    assert re.search(r"price: regression, 1\d\d\S* to 3\d\d\S* EUR \(mean 2\d\d", found.out), (
        found.out
    )
