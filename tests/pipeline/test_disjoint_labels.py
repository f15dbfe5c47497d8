"""Rows with a label of one task or of the other, and sources with other labels of one task."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge, succeed
from kd2edge.data import encode_split
from kd2edge.distill.evaluate import predict_split
from kd2edge.events import StageEvent, StepEvent
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
from kd2edge.recipe import load_recipe
from products import write_jsonl

#: One step over all rows at no learning rate: the losses that are told are those of the net that is
#: kept.
_RECIPE = """\
version: 1
name: tweets
seed: 3
data:
  sources:
    - {name: tweets, kind: jsonl, train: train.jsonl, validation: other.jsonl, test: other.jsonl}
inputs:
  text: {kind: text, tokenizer: {train: {kind: bpe, size: 300}}, max_length: 16}
tasks:
  sentiment: {kind: classification, labels: [down, up], metric: accuracy}
  topic: {kind: classification, labels: [ipo, oil, rates], metric: accuracy}
teachers:
  - name: rule
    model: {family: python, object: "its_labels:Rule", folder: .}
student:
  model: {family: static, config: {embedding: 8}, dropout: 0}
distill: {alpha: 0.5, temperature: 1}
baseline: false
train: {epochs: 1, lr: 1.0e-9, batch_size: 80, warmup: 0, weight_decay: 0, threads: 1,
  device: cpu, precision: fp32}
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""
_RULE = """\
import numpy as np


class Rule:
    version = "1"

    def __call__(self, rows):
        words = [row["text"].split() for row in rows]
        topic = [[3.0 * (one in said) for one in ("ipo", "oil", "rates")] for said in words]
        up = np.array([2.0 if "gains" in said else -1.0 for said in words])
        return {"topic": topic, "sentiment": np.stack([-up, up], 1)}
"""
LABELS = {"sentiment": ("down", "up"), "topic": ("ipo", "oil", "rates")}


def tweets(count: int, seed: int) -> list[dict[str, Any]]:
    """Three rows with a topic for each with a sentiment, as in the data set of that form."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        topic, up = draw.choice(LABELS["topic"]), draw.random() < 0.5
        text = f"{draw.choice('abcdefgh')}{at}{seed} {topic} {'gains' if up else 'falls'}"
        has_topic = at % 4 != 3
        rows.append(
            {
                "text": text,
                "topic": topic if has_topic else None,
                "sentiment": None if has_topic else LABELS["sentiment"][up],
            }
        )
    return rows


TRAIN, OTHER = tweets(80, 0), tweets(60, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("tweets")
    write_jsonl(folder / "train.jsonl", TRAIN)
    write_jsonl(folder / "other.jsonl", OTHER)
    (folder / "its_labels.py").write_text(_RULE)
    (folder / "recipe.yaml").write_text(_RECIPE)
    before = [*sys.path]
    yield folder
    sys.path[:] = before
    sys.modules.pop("its_labels", None)


@pytest.fixture(scope="module")
def losses(folder: Path) -> Mapping[Any, Mapping[str, float]]:
    """Those of the only step; the run is under ``run``."""
    told: list[StepEvent] = []
    stage = ""

    def listen(event: Any) -> None:
        nonlocal stage
        if isinstance(event, StageEvent):
            stage = event.stage
        elif isinstance(event, StepEvent) and stage == "student":
            told.append(event)

    options = RunOptions(run_dir=folder / "run", allow_code=True)
    distill_recipe(load_recipe(folder / "recipe.yaml"), options, on_event=listen)
    (step,) = told
    return step.losses


@pytest.fixture(scope="module")
def said(folder: Path, losses: object) -> dict[str, dict[str, np.ndarray]]:
    """Split -> task -> the kept net's logits ``[row, label]`` of every row."""
    assert losses
    loaded = load_recipe(folder / "recipe.yaml")
    data = prepare_data(loaded)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    tasks, net = list(data.tasks.values()), load_net(folder / "run" / "student")
    found: dict[str, dict[str, np.ndarray]] = {}
    for split in ("train", "test"):
        rows = encode_split(
            data.rows[split], inputs.pairs, tasks, folder / "rows", file_hashes=inputs.hashes
        )
        logits = predict_split(net, rows, tasks, batch_size=16, device="cpu")
        found[split] = {str(task.name): np.asarray(logits[task.name]) for task in tasks}
    return found


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


def labelled(rows: list[dict[str, Any]], task: str) -> tuple[np.ndarray, np.ndarray]:
    """Which rows have a label of a task, and which one each."""
    at = np.array([place for place, row in enumerate(rows) if row[task] is not None])
    return at, np.array([LABELS[task].index(rows[place][task]) for place in at])


@pytest.mark.parametrize("task", sorted(LABELS))
def test_the_hard_loss_is_a_mean_of_the_rows_that_have_the_label(
    losses: Mapping[Any, Mapping[str, float]], said: Any, task: str
) -> None:
    at, labels = labelled(TRAIN, task)
    assert len(at) == {"topic": 60, "sentiment": 20}[task]
    expected = -log_softmax(said["train"][task])[at, labels].mean()
    assert losses[task]["task"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("task", sorted(LABELS))
def test_the_teacher_labels_every_row_also_those_without_the_label(
    folder: Path, losses: Mapping[Any, Mapping[str, float]], said: Any, task: str
) -> None:
    from its_labels import Rule  # pyright: ignore[reportMissingImports]  (the run imported it)

    teacher = log_softmax(np.asarray(Rule()(TRAIN)[task], np.float64))
    student = log_softmax(said["train"][task].astype(np.float64))
    divergence = (np.exp(teacher) * (teacher - student)).sum(1)  # [row], all of them
    assert losses[task]["kd"] == pytest.approx(divergence.mean(), rel=1e-3)  # kept as float16


def test_report_and_gate_count_the_rows_that_have_the_label(
    folder: Path, said: Any, tmp_path: Path
) -> None:
    succeed("export", folder / "run", "--out", tmp_path / "bundle")
    judged = kd2edge("validate", tmp_path / "bundle", "--run", folder / "run", "--json").json
    (artefact,) = judged["artefacts"].values()
    reported = json.loads((folder / "run" / "report.json").read_bytes())["splits"]["test"]["tasks"]
    for task in LABELS:
        at, labels = labelled(OTHER, task)
        expected = (said["test"][task][at].argmax(1) == labels).mean()
        for model, value in (("student", expected), ("teacher", 1.0)):
            metric = reported[task][model]["metrics"]["accuracy"]
            assert metric["rows"] == len(at) == {"topic": 45, "sentiment": 15}[task]
            assert metric["value"] == pytest.approx(value)
            support = {one["label"]: one["support"] for one in reported[task][model]["per_class"]}
            assert support == Counter(LABELS[task][label] for label in labels)
        told = artefact["tasks"][task]["metrics"]["accuracy"]
        assert {side: told[side]["rows"] for side in ("candidate", "reference", "drop")} == (
            dict.fromkeys(("candidate", "reference", "drop"), len(at))
        )
        assert told["candidate"]["value"] == pytest.approx(expected)


# --- other labels of one task ---------------------------------------------------------------------

_TWO_SOURCES = """\
version: 1
name: desks
seed: 3
data:
  sources:
    - {name: bank, kind: jsonl, train: bank.jsonl, validation: bank-2.jsonl, test: bank-2.jsonl}
    - {name: shop, kind: jsonl, train: shop.jsonl, validation: shop-2.jsonl, test: shop-2.jsonl,
       columns: {intent: label}}
inputs:
  text: {kind: text, tokenizer: {train: {kind: bpe, size: 300}}, max_length: 16}
tasks:
  intent: {kind: classification, metric: accuracy}
student:
  model: {family: static, config: {embedding: 16}}
distill: {alpha: 0}
baseline: false
train: {epochs: 20, lr: 3.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}
"""
DESKS = {"bank": ("block", "transfer"), "shop": ("order", "refund")}


@pytest.fixture
def desks(tmp_path: Path) -> Path:
    for desk, column in (("bank", "intent"), ("shop", "label")):
        for name, count in ((desk, 40), (f"{desk}-2", 30)):
            rows = [
                {"text": f"please {DESKS[desk][at % 2]} {name} {at}", column: DESKS[desk][at % 2]}
                for at in range(count)
            ]
            write_jsonl(tmp_path / f"{name}.jsonl", rows)
    (tmp_path / "recipe.yaml").write_text(_TWO_SOURCES)
    return tmp_path / "recipe.yaml"


def test_a_task_has_the_labels_of_all_its_sources(desks: Path) -> None:
    run = desks.parent / "run"
    succeed("distill", desks, "--run-dir", run)
    found = json.loads((run / "report.json").read_bytes())
    assert found["tasks"]["intent"]["labels"] == ["block", "order", "refund", "transfer"]
    student = found["splits"]["test"]["tasks"]["intent"]["student"]
    support = {one["label"]: one["support"] for one in student["per_class"]}
    assert support == dict.fromkeys(support, 15)
    # A label is told from those of the other source, too.
    assert student["metrics"]["accuracy"]["value"] > 0.9


def test_labels_that_are_stated_must_be_those_of_all_sources(desks: Path) -> None:
    result = kd2edge("check", desks, "--set", "tasks.intent.labels=[block, transfer]")
    assert result.code == 2
    assert "shop.jsonl:1: task intent: unknown label 'order'" in result.err
    assert "unknown label 'refund'" in result.err


def test_a_teacher_of_one_source_s_labels_is_refused(desks: Path) -> None:
    (desks.parent / "its_labels.py").write_text(_RULE)
    teacher = (
        'teachers=[{name: rule, model: {family: python, object: "its_labels:Rule", folder: .,'
        " outputs: {intent: {labels: [block, transfer]}}}}]"
    )
    before = [*sys.path]
    try:
        result = kd2edge("check", desks, "--allow-code", "--set", teacher)
    finally:
        sys.path[:] = before
        sys.modules.pop("its_labels", None)
    assert result.code == 2
    assert "expected its 4 labels in the teacher's order, found 2" in result.err
    assert "missing are 'order', 'refund'" in result.err


# --- real rows ------------------------------------------------------------------------------------

_NEWS = """\
version: 1
name: news
seed: 3
data:
  sources:
    - {name: news, kind: jsonl, train: train.jsonl, validation: validation.jsonl, test: test.jsonl}
  leaks: drop
inputs:
  text: {kind: text, tokenizer: {train: {kind: bpe, size: 1000}}, max_length: 48}
tasks:
  sentiment: {kind: classification, metric: macro_f1}
  topic: {kind: classification, metric: macro_f1}
teachers:
  - {name: wide, model: {family: static, config: {embedding: 64}}, train: {epochs: 2, lr: 3.0e-2}}
student:
  model: {family: static, config: {embedding: 16}}
distill: {alpha: 0.7}
baseline: false
train: {epochs: 2, lr: 3.0e-2, batch_size: 64, threads: 1, device: cpu, precision: fp32}
"""


@pytest.mark.data
def test_news_with_a_sentiment_or_a_topic(data_set: Callable[[str], Path], tmp_path: Path) -> None:
    """Every tenth row of the real ones: seconds instead of minutes, all labels included."""
    folder = data_set("fin_twitter_news")
    counts: dict[str, Counter[str]] = {}
    for split in ("train", "validation", "test"):
        lines = (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()[::10]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        rows = [json.loads(line) for line in lines]
        assert all((row["topic"] is None) != (row["sentiment"] is None) for row in rows)
        counts[split] = Counter("topic" if row["topic"] else "sentiment" for row in rows)
    (tmp_path / "recipe.yaml").write_text(_NEWS)
    plan = succeed("check", tmp_path / "recipe.yaml", "--json").json
    assert {task: one["labelled"] for task, one in plan["tasks"].items()} == counts["train"]
    succeed("distill", tmp_path / "recipe.yaml", "--run-dir", tmp_path / "run")
    found = json.loads((tmp_path / "run" / "report.json").read_bytes())
    assert len(found["tasks"]["topic"]["labels"]) == 20
    assert found["tasks"]["sentiment"]["labels"] == ["bearish", "bullish", "neutral"]
    for split in ("validation", "test"):
        for task, one in found["splits"][split]["tasks"].items():
            assert one["student"]["metrics"]["macro_f1"]["rows"] == counts[split][task]
            assert one["teacher"]["metrics"]["macro_f1"]["rows"] == counts[split][task]
