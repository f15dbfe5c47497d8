"""A table whose rows are made of near ones as well, from its recipe to a student."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from commands import kd2edge
from products import write_jsonl

_RECIPE = """\
version: 1
name: munged
data:
  sources:
    - {name: rows, kind: csv, train: train.csv, validation: test.csv, test: test.csv}
  unlabelled:
    - {name: near, kind: csv, train: train.csv, make: {kind: munge, copies: 3}}
inputs:
  person: {kind: tabular, numeric: [age, hours], categorical: [town]}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
teachers:
  - name: large
    model: {family: mlp, config: {hidden: [16]}}
    train: {epochs: 1, batch_size: 16}
student:
  model: {family: mlp, config: {hidden: [8], embedding: 2}}
baseline: false
train: {epochs: 1, batch_size: 32, threads: 1, device: cpu, precision: fp32}
"""


def write(path: Path, seed: int) -> None:
    draw = random.Random(seed)
    lines = ["age,hours,town,happy"]
    for _ in range(40):
        age, town = draw.randrange(20, 70), draw.choice(["Rome", "Oslo", ""])
        hours = f"{draw.random() * 40:.2f}" if draw.random() < 0.8 else ""
        lines.append(f"{age},{hours},{town},{'yes' if age > 45 else 'no'}")
    path.write_text("\n".join([*lines, ""]))


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    write(tmp_path / "train.csv", 0)
    write(tmp_path / "test.csv", 1)
    (tmp_path / "recipe.yaml").write_text(_RECIPE)
    return tmp_path / "recipe.yaml"


def test_rows_made_of_a_table_are_labelled_by_its_teacher(recipe: Path) -> None:
    checked = kd2edge("check", recipe)
    assert checked.code == 0, checked.err
    (line,) = [one for one in checked.out.splitlines() if "were made of others" in one]
    made = int(line.partition("near: ")[2].split()[0])
    assert 60 < made <= 120  # a copy of which no cell is changed says nothing new
    run = recipe.parent / "run"
    result = kd2edge("distill", recipe, "--run-dir", run)
    assert result.code == 0, result.err
    report = json.loads((run / "report.json").read_text())
    assert report["cache"] == {**report["cache"], "rows": 40 + made + 80, "reused": False}
    assert report["models"]["student"]["steps"] == -(-(40 + made) // 32)
    # The same recipe makes the same rows: the teacher is not asked again.
    again = kd2edge("distill", recipe, "--run-dir", run)
    assert again.code == 0, again.err
    assert json.loads((run / "report.json").read_text())["cache"]["reused"] is True


def test_a_maker_wants_what_it_changes(recipe: Path) -> None:
    refused = kd2edge("check", recipe, "--set", "data.unlabelled.near.make=perturb")
    assert refused.code == 2
    assert "perturb changes words, and no input is of kind text or tokens" in refused.err


def test_texts_are_perturbed_by_their_words(recipe: Path, tmp_path: Path) -> None:
    rows = [{"town": f"to {name} and home", "happy": "yes"} for name in ("Rome", "Oslo", "Bern")]
    write_jsonl(tmp_path / "texts.jsonl", [*rows, {"town": "stay here", "happy": "no"}])
    write_jsonl(tmp_path / "held.jsonl", [{"town": t, "happy": t} for t in ("yes", "no")])
    text = recipe.read_text().replace(
        "kind: csv, train: train.csv", "kind: jsonl, train: texts.jsonl"
    )
    text = text.replace("test.csv", "held.jsonl").replace("kind: munge", "kind: perturb")
    text = text.replace(
        "person: {kind: tabular, numeric: [age, hours], categorical: [town]}",
        "town: {kind: text, tokenizer: {train: {kind: bpe, size: 300}}, max_length: 8}",
    ).replace("family: mlp, config: {hidden: [16]}", "family: static")
    text = text.replace("family: mlp, config: {hidden: [8], embedding: 2}", "family: static")
    recipe.write_text(text)
    checked = kd2edge("check", recipe)
    assert checked.code == 0, checked.err
    assert "near: " in checked.out
    assert "rows were made of others, for the teachers to label" in checked.out
