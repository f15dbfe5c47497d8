"""The harness of the planted faults: own metrics are the libraries', nothing passes for a stop."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from planted import measure, scores, table
from planted.absolute import shuffled
from planted.clean import PARTS, part_of
from planted.graphs import Editor, above, equals, modulo, perturbed
from planted.kind import Kind, Plant, Said, artefact_of
from planted.measure import COSTLY, Cost
from planted.page import faults
from planted.products import INPUTS, PRODUCTS, TASKS, Product, Task
from planted.reference import kept
from planted.reviews import made_review_rows, topics_of
from planted.rows import write_rows

from bundles import TEXT_ARRAYS, run_onnx, text_graph

GROUPS = {f"A{at}" for at in range(1, 12)} | {"inputs", "table", "values", "weights"}


def test_the_catalogue_covers_every_part_and_no_kind_stands_twice():
    kinds = table.all_kinds()
    assert {one.group for one in kinds} >= GROUPS
    names = [one.name for one in kinds]
    assert len(set(names)) == len(names) >= 60
    for name in PRODUCTS:
        assert sum(name in one.products for one in kinds) >= 60


def test_own_metrics_are_the_libraries():
    metrics = pytest.importorskip("sklearn.metrics")
    chance = np.random.default_rng(3)
    truth, said = (list(map(str, chance.integers(0, 5, 400))) for _ in range(2))
    assert scores.macro_f1(truth, said) == pytest.approx(
        metrics.f1_score(truth, said, average="macro")
    )
    found = scores.recall(truth, said)
    wanted = metrics.recall_score(truth, said, average=None, labels=sorted(found))
    assert [found[label] for label in sorted(found)] == pytest.approx(list(wanted))
    positive, chances = [label > "2" for label in truth], list(chance.integers(0, 9, 400) / 10)
    assert scores.auc(positive, chances) == pytest.approx(metrics.roc_auc_score(positive, chances))


def test_own_entity_f1_is_the_library_s():
    seqeval = pytest.importorskip("seqeval.metrics")
    chance = np.random.default_rng(4)
    tags = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    rows = [
        [tags[at] for at in chance.choice(5, 8, p=[0.5, 0.2, 0.1, 0.1, 0.1])] for _ in range(60)
    ]
    others = [
        [
            tags[at] if chance.random() < 0.3 else tag
            for at, tag in zip(chance.integers(0, 5, 8), row, strict=True)
        ]
        for row in rows
    ]  # noqa: E501
    tokens = ["a", "bc", "d", "efg", "h", "i", "jk", "l"]
    answers = [
        [{"start": a, "end": b, "label": kind} for a, b, kind in scores.gold_entities(tokens, row)]
        for row in others
    ]
    own = scores.entity_f1([{"tokens": tokens, "ner": row} for row in rows], answers)
    assert own == pytest.approx(seqeval.f1_score(rows, others))


def test_own_scores_of_levels_values_and_labels_are_the_libraries():
    metrics = pytest.importorskip("sklearn.metrics")
    chance = np.random.default_rng(5)
    rows = [
        {"level": int(level), "value": float(value), "names": [*"abc"[: int(count)]]}
        for level, value, count in zip(
            chance.integers(1, 6, 300), chance.normal(30, 8, 300), chance.integers(0, 4, 300),
            strict=True,
        )
    ]  # fmt: skip
    said = rows[::-1]
    truth = {name: [row[name] for row in rows] for name in rows[0]}

    def score(name: str, kind: str, metric: str, answers: list[Any]) -> float:
        task = Task(name, kind, metric)
        ((_, found),) = scores.scores(task, rows, answers, lambda: truth[name])
        return found

    levels = [[{"label": str(row["level"])}] for row in said]
    error = metrics.mean_absolute_error(truth["level"], truth["level"][::-1])
    assert score("level", "ordinal", "level_mae", levels) == pytest.approx(1 - error / 4)
    values = [{"value": row["value"]} for row in said]
    error = metrics.mean_absolute_error(truth["value"], truth["value"][::-1])
    large = 2 * np.std(truth["value"])
    assert score("value", "regression", "mae", values) == pytest.approx(1 - error / large)
    labels = [[{"label": name} for name in row["names"]] for row in said]
    flags = [[name in row for name in "abc"] for row in truth["names"]]
    wanted = metrics.f1_score(flags, flags[::-1], average="micro")
    assert score("names", "multi_label", "micro_f1", labels) == pytest.approx(wanted)


def test_rows_may_lack_an_input_and_never_both(tmp_path: Path):
    rows = made_review_rows({"test": 400})["test"]
    write_rows(tmp_path / "judged.jsonl", rows)
    inputs = INPUTS["reviews"]
    product = Product("reviews", tmp_path, *[tmp_path] * 3, inputs, TASKS["reviews"])
    for name, columns in inputs.items():
        found = measure.rows_without(name).rows(product)
        assert 300 < len(found) < 400
        assert all(row[column] is None for row in found for column in columns)
        handed = measure.handed(product, found, measure.Look())
        assert handed.pop(name) == [None] * len(found)
        assert None not in next(iter(handed.values()))
        assert name not in measure.handed(product, found, measure.Look(left_out=name))
    there = [row for row in rows if row["text"]]
    assert all(row["topics"] == topics_of(row["text"]) for row in there)


@pytest.mark.parametrize(
    ("condition", "wrong"),
    [
        (equals(Editor.batch, 5), {5}),
        (above(Editor.batch, 6), {7, 8}),
        (modulo(Editor.batch, 2, 1), {1, 3, 5, 7}),
    ],
)
def test_a_graph_is_wrong_at_the_planted_sizes_alone(condition: Any, wrong: set[int]):
    model = onnx.load_from_string(text_graph())
    perturbed(condition)(model)
    onnx.checker.check_model(model, full_check=True)
    changed = set()
    for batch in range(1, 9):
        ids = np.full((batch, 4), 5, np.int64)
        arrays = {TEXT_ARRAYS[0].name: ids, TEXT_ARRAYS[1].name: np.ones_like(ids)}
        before, after = (run_onnx(one, arrays) for one in (text_graph(), model.SerializeToString()))
        same = all(np.array_equal(before[name], after[name]) for name in before)
        changed |= set() if same else {batch}
    assert changed == wrong


def test_some_rows_of_a_reference_keep_what_belongs_together():
    ids = np.frombuffer(json.dumps(["a", "b", "c"]).encode(), np.uint8)
    arrays = {
        "ids": ids,
        "hashes": np.arange(3, dtype=np.uint64),
        "decoded/one/labels": np.array([4, 5, 6]),
        "decoded/word/labels": np.array([0, 1, 1, 2, 2, 2]),
        "decoded/word/offsets": np.array([0, 1, 3, 6]),
        "truth/one/labels": np.array([7, 8, 9]),
        "logits/one": np.zeros((3, 2)),
        "without/it/rows": np.array([1, 2]),
        "without/it/hashes": np.arange(2, dtype=np.uint64),
        "without/it/decoded/one/labels": np.array([5, 6]),
    }
    found = kept(arrays, [2, 0])
    assert json.loads(found["ids"].tobytes()) == ["c", "a"]
    assert found["decoded/one/labels"].tolist() == [6, 4]
    assert found["truth/one/labels"].tolist() == [9, 7]
    assert found["without/it/rows"].tolist() == [0]
    assert found["without/it/decoded/one/labels"].tolist() == [6]
    assert found["decoded/word/labels"].tolist() == [2, 2, 2, 0]
    assert found["decoded/word/offsets"].tolist() == [0, 3, 4]
    assert "logits/one" not in found


def test_parts_are_of_the_rows_and_alike_every_time():
    rows = [{"id": str(at)} for at in range(40)]
    for part in PARTS:
        found = part_of(rows, part)
        assert found == part_of(rows, part)
        assert {row["id"] for row in found} <= {row["id"] for row in rows}
        assert len(found) >= 10


def test_shuffling_keeps_labels_and_moves_some():
    rows = [{"label": str(at)} for at in range(50)]
    found = shuffled(rows, "label", 0.5)
    assert sorted(row["label"] for row in found) == sorted(row["label"] for row in rows)
    assert 0 < sum(a != b for a, b in zip(rows, found, strict=True)) < 45


@pytest.mark.parametrize(
    ("ratio", "said", "verdict"),
    [
        (COSTLY, Said(False, "pass", ""), "slipped"),
        (COSTLY - 0.1, Said(False, "pass", ""), "harmless"),
        (COSTLY, Said(True, "fail", "tasks"), "stopped"),
        (0.0, Said(False, "harness", "Traceback"), "broken harness"),
    ],
)
def test_verdicts(ratio: float, said: Said, verdict: str):
    assert table._verdict(Cost(ratio / 100, ratio, ""), said) == verdict


def test_a_mistake_of_the_harness_is_no_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def plant(site: Any) -> Plant:
        raise ValueError("a mistake")

    monkeypatch.setattr(table, "Draft", lambda path: None)
    product: Any = SimpleNamespace(name="texts", folder=tmp_path, bundle=tmp_path, column="text")
    one = Kind("broken", "A1", ("texts",), "int8", plant)
    found = table.plant(one, product, measure.Measurer())
    assert found is not None
    assert found["verdict"] == "broken harness"
    assert artefact_of(one, "texts") == "onnx-int8-dynamic"
    assert table.summary([found], [])["broken"] == 1


def test_what_was_found_is_kept_until_the_code_changes(tmp_path: Path):
    path = tmp_path / "found.json"
    table.State(path).add("faults", "one", {"kind": "x"})
    assert table.State(path).known("faults") == {"one": {"kind": "x"}}
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**value, "code": "other"}), encoding="utf-8")
    assert table.State(path).known("faults") == {}


def test_the_page_says_what_slipped():
    one = {
        "group": "A1", "kind": "wrong", "product": "texts", "artefact": "onnx-fp32", "drop": 0.5,
        "where": "accuracy, batch 5", "outcome": "pass", "by": "", "stopped": False,
        "verdict": "slipped", "budgets": 50.0,
    }  # fmt: skip
    other = {**one, "kind": "right", "stopped": True, "verdict": "stopped", "by": "tasks: lost"}
    known = {"product": "texts", "artefact": "onnx-fp32", "part": "judged rows"}
    clean = [{**known, "outcome": outcome} for outcome in ("pass", "undecided", "fail")]
    measured = {"faults": [one, other], "summary": table.summary([one, other], clean)}
    result: Any = {
        "command": "x", "commit": "abc", "versions": {}, "measured": measured,
        "machine": {"cpu": "CPU", "cores": 2, "os": "Linux", "python": "3.11"},
    }  # fmt: skip
    text = faults({"faults": result})
    assert "**1 of 2** that cost twice the budget are stopped" in text
    assert "on the same rows 1 of 3 pass" in text
    assert "1 passed, 1 undecided, **1** false alarms; met: **no**" in text
    assert "| wrong | texts | onnx-fp32 | 50.00 (accuracy, batch 5) | nothing | **no** |" in text
    assert "| right | texts | onnx-fp32 | 50.00 (accuracy, batch 5) | tasks | yes |" in text
