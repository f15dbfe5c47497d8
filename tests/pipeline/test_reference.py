"""A cheap reference stands beside the student in reports, and changes nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge
from products import write_jsonl

_RECIPE = """\
version: 1
name: cheap
seed: 3
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: other.jsonl}
inputs:
  text: {kind: text, tokenizer: {train: {kind: wordpiece, size: 300}}, max_length: 12, absent: 0.1}
  person: {kind: tabular, numeric: [age], categorical: [town], absent: 0.1}
tasks:
  happy: {kind: binary, positive: "yes", metric: auc}
  level: {kind: ordinal, metric: level_mae}
  likes: {kind: multi_label, metric: macro_f1}
  pay: {kind: regression, metric: mae}
  place: {kind: classification, metric: accuracy}
student:
  model:
    family: joint
    encoders:
      text: {family: static, config: {embedding: 8}}
      person: {family: mlp, config: {hidden: [8], embedding: 2}}
    fusion: {kind: concat, hidden: 8}
distill: {alpha: 0}
train: {epochs: 1, lr: 1.0e-2, batch_size: 32, threads: 1, device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
validate: {max_drop: {happy: 0.5, level: 2, likes: 0.5, pay: 100, place: 0.5}}
"""
SETTINGS = {"tfidf": "reference=tfidf", "boosted": "reference=boosted"}


def rows_of(count: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        age, town = int(draw.integers(20, 70)), str(draw.choice(["Rome", "Oslo", "Bern"]))
        words = [*draw.choice(["it", "is", "so", "we"], 4), town.lower(), "old" * (age > 45)]
        row: dict[str, Any] = {"age": age, "town": town, "text": " ".join(words).strip()}
        row |= {"happy": "yes" if age > 45 else "no", "level": int(age // 24)}
        row |= {"likes": [one for one, lot in (("tea", 40), ("rum", 55)) if age > lot]}
        row |= {"pay": age * 3.0, "place": town[0]}
        row["happy"] = None if at % 5 == 0 else row["happy"]
        row["text"] = None if at % 7 == 0 else row["text"]
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cheap")
    write_jsonl(folder / "train.jsonl", rows_of(160))
    write_jsonl(folder / "other.jsonl", rows_of(80, seed=1))
    (folder / "recipe.yaml").write_text(_RECIPE)
    return folder


def distil(folder: Path, run: str, *more: str) -> tuple[dict[str, Any], str]:
    result = kd2edge("distill", folder / "recipe.yaml", "--run-dir", folder / run, *more)
    assert result.code == 0, result.err
    return json.loads((folder / run / "report.json").read_bytes()), result.err + result.out


@pytest.fixture(scope="module")
def plain(folder: Path) -> dict[str, Any]:
    return distil(folder, "plain")[0]


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_reference_is_measured_on_all_tasks_and_moves_nothing_else(
    folder: Path, plain: dict[str, Any], kind: str
) -> None:
    report, told = distil(folder, kind, "--set", SETTINGS[kind])
    assert "reference" in told
    for split in ("validation", "test"):
        for task, models in report["splits"][split]["tasks"].items():
            assert models.keys() == {"student", "reference"}
            assert models["student"] == plain["splits"][split]["tasks"][task]["student"]
            metric = report["tasks"][task]["metric"]
            assert models["reference"]["metrics"][metric]["value"] is not None
        happy = report["splits"][split]["tasks"]["happy"]["reference"]["metrics"]["auc"]
        assert happy["low"] <= happy["value"] <= happy["high"]
        assert happy["value"] > 0.85  # the row says it, where it has the input at all
        for part in report["splits"][split]["without"].values():
            assert all(models.keys() == {"student"} for models in part["tasks"].values())
    own = report["models"]["reference"]
    assert own["parameters"] > 0
    assert own["kind"] in (folder / kind / "report.html").read_text()
    assert "cheap reference" in told


def test_a_finished_reference_is_taken_over_and_another_is_not(folder: Path) -> None:
    first, _ = distil(folder, "again", "--set", SETTINGS["tfidf"])
    stored = (folder / "again" / "reference.npz").read_bytes()
    second, told = distil(folder, "again", "--set", SETTINGS["tfidf"], "--resume")
    line = next(one for one in told.splitlines() if one.startswith("reference"))
    assert "(done before)" in line
    assert (folder / "again" / "reference.npz").read_bytes() == stored
    assert first["splits"] == second["splits"]
    third, told = distil(folder, "again", "--set", "reference={kind: tfidf, words: 1}", "--resume")
    assert "(done before)" not in next(one for one in told.splitlines() if "reference" in one)
    assert third["models"]["reference"]["parameters"] < first["models"]["reference"]["parameters"]


def test_answers_that_were_changed_since_are_refused(folder: Path) -> None:
    distil(folder, "changed", "--set", SETTINGS["tfidf"])
    path = folder / "changed" / "reference.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    result = kd2edge(
        "distill", folder / "recipe.yaml", "--run-dir", folder / "changed", "--resume",
        "--set", SETTINGS["tfidf"],
    )  # fmt: skip
    assert result.code != 0
    assert "reference.npz: it is not the file" in result.err


def test_check_says_what_it_is_and_what_it_cannot_read(folder: Path) -> None:
    recipe = folder / "recipe.yaml"
    assert "reference: boosted trees" in kd2edge("check", recipe, "--set", SETTINGS["boosted"]).out
    wrong = {
        "reference={kind: tfidf, input: person}": "expected an input of kind text or tokens",
        "reference={kind: boosted, input: text}": "expected an input of kind tabular",
        "reference=forest": "tfidf",
    }
    for setting, message in wrong.items():
        result = kd2edge("check", recipe, "--set", setting)
        assert result.code != 0
        assert message in result.err
