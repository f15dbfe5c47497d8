"""A student of all tasks whose features are aligned to a teacher of each task (KD4MTL)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from commands import succeed
from products import text_rows, write_jsonl, write_tokenizer

_MODEL = "{family: static, config: {embedding: 16, hidden: [12]}, dropout: 0.0}"
_TASKS = ("intent", "urgent")
_TRAIN = "{epochs: 8, lr: 2.0e-2, batch_size: 16}"
_ALIGNED = "from: layers.0, to: layers.0, loss: cosine, projector: linear, weight: 2.0"
_RECIPE = f"""\
version: 1
name: aligned
seed: 3
data:
  sources:
    - {{name: rows, kind: jsonl, train: rows.jsonl, validation: rows.jsonl, test: rows.jsonl}}
  leaks: keep
inputs: {{text: {{kind: text, tokenizer: {{path: tokenizer.json}}, max_length: 12}}}}
tasks:
  intent: {{kind: classification, metric: accuracy}}
  urgent: {{kind: binary, positive: "yes", metric: accuracy}}
teachers:
  - {{name: of_intent, model: {_MODEL}, train: {_TRAIN}, tasks: [intent]}}
  - {{name: of_urgent, model: {_MODEL}, train: {_TRAIN}, tasks: [urgent]}}
student: {{model: {_MODEL}}}
distill:
  alpha: 0.0
  features:
    - {{teacher: of_intent, {_ALIGNED}}}
    - {{teacher: of_urgent, {_ALIGNED}}}
train: {{epochs: 12, lr: 2.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
"""


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("aligned")
    rows = list(text_rows())
    write_jsonl(folder / "rows.jsonl", rows)
    write_tokenizer(folder / "tokenizer.json", [row["text"] for row in rows])
    (folder / "recipe.yaml").write_text(_RECIPE, encoding="utf-8")
    succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    return json.loads((folder / "run" / "report.json").read_bytes())["curves"]["student"]


def test_the_student_comes_near_both_teachers_each_through_its_own_map(
    curves: list[dict[str, Any]],
) -> None:
    for feature in ("feature0", "feature1"):
        assert curves[-1]["train"][""][feature] < 0.4 * curves[0]["train"][""][feature]


def test_with_alpha_0_nothing_but_features_is_taken_from_the_teachers(
    curves: list[dict[str, Any]],
) -> None:
    assert all(set(point["train"][task]) == {"task"} for point in curves for task in _TASKS)
