"""A token task whose teacher reads other pieces than the student: they meet at the words."""

from __future__ import annotations

import json
import math
from pathlib import Path

from commands import succeed
from kd2edge.runtime import load
from products import token_rows, write_jsonl, write_tokenizer

_CONV = "{family: conv, config: {embedding: 16, width: 16, layers: 2}}"


def _recipe(longest: int) -> str:
    return f"""\
version: 1
name: two
data:
  sources:
    - {{name: rows, kind: jsonl, train: rows.jsonl, validation: rows.jsonl, test: rows.jsonl}}
  leaks: keep
inputs:
  tokens: {{kind: tokens, tokenizer: {{path: words.json}}, max_length: 12}}
tasks:
  pos: {{kind: token_classification, metric: accuracy}}
teachers:
  - name: letters
    model: {_CONV}
    inputs:
      tokens: {{kind: tokens, tokenizer: {{path: letters.json}}, max_length: {longest}}}
    train: {{epochs: 12, lr: 3.0e-2, batch_size: 16}}
student:
  model: {_CONV}
distill: {{alpha: 1.0, temperature: 1.0}}
baseline: false
train: {{epochs: 12, lr: 3.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}}
export: {{targets: [onnx], precisions: [fp32]}}
"""


def _project(folder: Path, longest: int) -> Path:
    folder.mkdir(exist_ok=True)
    rows = list(token_rows())
    write_jsonl(folder / "rows.jsonl", rows)
    write_tokenizer(folder / "letters.json", [])  # every word falls to its letters
    write_tokenizer(folder / "words.json", [" ".join(row["tokens"]) for row in rows])
    (folder / "recipe.yaml").write_text(_recipe(longest), encoding="utf-8")
    succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    return folder


def _accuracy(folder: Path, model: str) -> float:
    report = json.loads((folder / "run" / "report.json").read_text())
    return report["splits"]["test"]["tasks"]["pos"][model]["metrics"]["accuracy"]["value"]


def test_the_teachers_word_for_a_word_is_learned_whatever_its_pieces(tmp_path: Path) -> None:
    """The student sees no label (alpha 1): what it knows came over word by word."""
    project = _project(tmp_path, 32)
    assert _accuracy(project, "teacher") > 0.95
    assert _accuracy(project, "student") > 0.95
    succeed("export", project / "run", "--out", project / "bundle")
    with load(project / "bundle") as model:
        (row,) = model.predict({"tokens": [["Anna", "sees", "New", "Rome", "."]]})["pos"]
    assert [word["label"] for word in row] == ["NAME", "VERB", "NAME", "NAME", "MARK"]


def test_words_that_the_teacher_did_not_read_teach_nothing(tmp_path: Path) -> None:
    """Letters reach its limit within a sentence: the student is taught by the words before it."""
    project = _project(tmp_path, 14)
    assert 0.4 < _accuracy(project, "teacher") < 0.9  # words that it did not read count as wrong
    assert _accuracy(project, "student") > _accuracy(project, "teacher") + 0.03
    report = json.loads((project / "run" / "report.json").read_text())
    assert all(
        math.isfinite(loss["kd"])
        for point in report["curves"]["student"]
        for loss in point["train"].values()
    )
