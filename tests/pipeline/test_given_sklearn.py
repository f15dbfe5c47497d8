"""Estimators of scikit-learn teach, from a recipe to the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from commands import kd2edge, succeed
from kd2edge.files import fingerprint_file
from kd2edge.recipe import load_recipe
from products import write_jsonl
from teacher.given.estimators import as_of_version, people, saved

_RECIPE = """\
version: 1
name: given
seed: 3
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: other.jsonl}
inputs:
  person: {kind: tabular, numeric: [age, hours], categorical: [town]}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
  likes: {kind: multi_label, labels: [tea, rum], metric: macro_f1}
  pay: {kind: regression, metric: mae}
  place: {kind: classification, metric: accuracy}
teachers:
  - name: fitted
    model:
      family: sklearn
      path: {happy: happy.skops, likes: likes.skops, pay: pay.skops, place: place.skops}
student:
  model: {family: mlp, config: {hidden: [8], embedding: 2}}
baseline: false
distill: {alpha: 0.5}
train: {epochs: 2, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""
LIKED = ("tea", "rum")


def labelled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        row | {"likes": [name for name, yes in zip(LIKED, row["likes"], strict=True) if yes]}
        for row in rows
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, rows and an estimator a task, and what was distilled of them under ``run``."""
    folder = tmp_path_factory.mktemp("given")
    rows = people(150)
    write_jsonl(folder / "train.jsonl", labelled(rows))
    write_jsonl(folder / "other.jsonl", labelled(people(100, seed=1)))
    (folder / "recipe.yaml").write_text(_RECIPE)
    table = np.array([[row["age"], row["hours"], row["town"]] for row in rows], object)
    for task, estimator in (
        ("happy", LogisticRegression()),
        ("likes", MultiOutputClassifier(LogisticRegression())),
        ("pay", LinearRegression()),
        ("place", LogisticRegression()),
    ):
        ready = make_column_transformer((StandardScaler(), [0, 1]), (OneHotEncoder(), [2]))
        fitted = make_pipeline(ready, estimator).fit(table, [row[task] for row in rows])
        saved(fitted, folder / f"{task}.skops")
    forest = RandomForestClassifier(5, random_state=0)
    saved(forest.fit(table[:, :2], [row["happy"] for row in rows]), folder / "forest.skops")
    succeed("distill", folder / "recipe.yaml", "--run-dir", folder / "run")
    return folder


def test_estimators_teach_what_they_know(folder: Path) -> None:
    found = json.loads((folder / "run" / "report.json").read_bytes())
    tasks = found["splits"]["test"]["tasks"]
    values = {
        (task, name): tasks[task]["teacher"]["metrics"][name]["value"]
        for task, name in (("happy", "auc"), ("likes", "macro_f1"), ("pay", "r2"))
    }
    assert min(values.values()) > 0.95, values
    assert tasks["place"]["teacher"]["metrics"]["accuracy"]["value"] == 1
    record = json.loads((folder / "run" / "teachers" / "fitted.record.json").read_bytes())
    assert record["files"]["pay/pay.skops"] == fingerprint_file(folder / "pay.skops")
    assert len(record["files"]) == 4
    assert record["parameters"] is None
    assert record["bytes"] == sum(
        (folder / f"{task}.skops").stat().st_size for task in ("happy", "likes", "pay", "place")
    )
    resolved = load_recipe(folder / "run" / "recipe.yaml").recipe
    assert resolved.teachers == load_recipe(folder / "recipe.yaml").recipe.teachers


def test_check_asks_them_about_a_row(folder: Path) -> None:
    told = succeed("check", folder / "recipe.yaml").out
    assert re.search(r"model +fitted: sklearn happy\.skops, likes\.skops, .* asked and not", told)
    assert "saved by scikit-learn" not in told


def test_another_version_of_scikit_learn_is_told(folder: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.skops"
    old.write_bytes((folder / "pay.skops").read_bytes())
    as_of_version(old, "1.2.3")
    told = succeed("check", folder / "recipe.yaml", "--set", f"teachers.0.model.path.pay={old}").out
    assert "; old.skops was saved by scikit-learn 1.2.3 and is read by" in told


_FOREST = "teachers.0={name: forest, tasks: happy, model: {family: sklearn, path: forest.skops"
_ALPHA = ("--set", "distill.alpha={happy: 0.5, likes: 0, pay: 0, place: 0}")


def test_what_skops_does_not_trust_takes_a_word_of_the_command_line(folder: Path) -> None:
    recipe = folder / "recipe.yaml"
    own = "inputs: {person: {kind: tabular, numeric: [age, hours]}}"
    refused = kd2edge("check", recipe, *_ALPHA, "--set", f"{_FOREST}}}, {own}}}")
    assert refused.code == 2
    assert "it holds sklearn.tree._tree.Tree, which skops does not trust" in refused.err
    trusting = f"{_FOREST}, trusted: sklearn.tree._tree.Tree}}, {own}}}"
    refused = kd2edge("check", recipe, *_ALPHA, "--set", trusting)
    assert refused.code == 2
    assert "teachers.0.model.trusted: sklearn.tree._tree.Tree" in refused.err
    assert "--allow-code" in refused.err
    told = succeed("check", recipe, *_ALPHA, "--set", trusting, "--allow-code").out
    assert "forest: sklearn forest.skops, asked and not trained" in told


_MODEL = "teachers.0.model"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"{_MODEL}.path=gone.skops", "no file"),
        (f"{_MODEL}.path.pay=gone.skops", "teachers.0.model.path.pay: no file"),
        (f"{_MODEL}.path={{happy: happy.skops}}", "no file for 'likes'"),
        (f"{_MODEL}.path.sad=happy.skops", "it does not teach 'sad'"),
        (f"{_MODEL}.path=recipe.yaml", "expected an estimator that skops.io.dump saved"),
        (f"{_MODEL}.path.place=happy.skops", "found 2: missing are 'B', 'O', 'R'"),
        (f"{_MODEL}.path.likes=place.skops", "expected numbers [batch, 2], found [1, 3]"),
        (f"{_MODEL}.path.happy=pay.skops", "expected predict_proba or decision_function"),
        (f"{_MODEL}.outputs.happy={{labels: [a, b]}}", "unknown are 'a', 'b'"),
        (f"{_MODEL}.outputs.happy={{call: transform}}", "expected 'predict_proba'"),
        (f"{_MODEL}.outputs.pay={{labels: [a, b]}}", "have no labels"),
        (f"{_MODEL}.outputs.sad={{output: 0}}", "it does not teach 'sad'"),
        (f"{_MODEL}.columns=[age, hours]", "fitted to 3 columns, found 2"),
        (f"{_MODEL}.columns=[age, hours, place]", "that have place"),
        ("tasks.likes.labels=null", "which number is which label of 'likes' is not known"),
        ("teachers.0.train={epochs: 3}", "it is there already and not trained: drop train"),
        ("student.init={from: fitted}", "'fitted' is only asked, a net cannot start from it"),
        ("student.model={family: sklearn, path: pay.skops}", "no family 'sklearn'"),
    ],
)
def test_what_they_cannot_be_is_refused_at_check(folder: Path, override: str, said: str) -> None:
    result = kd2edge("check", folder / "recipe.yaml", "--set", override)
    assert result.code == (5 if "recipe.yaml" in override else 2), result.out
    assert said in result.err, result.err
