"""A task that a shipped student learns later, while what it was teaches the tasks that it had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import kd2edge, succeed
from products import write_jsonl, write_tokenizer

_MODEL = "{family: static, config: {embedding: 16}, dropout: 0.0}"
_HEAD = """\
version: 1
name: text
seed: 3
data:
  sources:
    - {name: bank, kind: jsonl, train: train.jsonl, validation: validation.jsonl, test: test.jsonl}
"""
_TAIL = """\
train: {epochs: 15, lr: 5.0e-2, batch_size: 16, threads: 1, device: cpu, precision: fp32}
baseline: false
export: {targets: [onnx], precisions: [fp32], calibration: {rows: 16}}
"""
_OLD = f"""\
{_HEAD}
inputs: {{text: {{kind: text, tokenizer: {{path: tokenizer.json, vocab: cut}}, max_length: 12}}}}
tasks: {{intent: {{kind: classification, metric: accuracy}}}}
student: {{model: {_MODEL}}}
distill: {{alpha: 0}}
{_TAIL}"""
#: The new rows have no label of the task that the student knows, the old ones none of the new task.
_NEW = f"""\
{_HEAD}
    - {{name: desk, kind: jsonl, train: later.jsonl, tasks: [urgent]}}
inputs: {{text: {{kind: text, tokenizer: {{path: old/tokenizer/text.json}}, max_length: 12}}}}
tasks:
  intent: {{kind: classification, metric: accuracy}}
  urgent: {{kind: binary, positive: "yes", metric: accuracy}}
teachers:
  - {{name: old, model: {_MODEL}, checkpoint: old/student.safetensors, tasks: [intent]}}
student: {{model: {_MODEL}, init: {{run: old}}}}
distill: {{alpha: {{intent: 1.0, urgent: 0}}}}
{_TAIL}"""


def _rows(count: int) -> list[dict[str, Any]]:
    """A word says the intent, another whether it is urgent; two more say nothing."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for at in range(count):
        intent = str(draw.choice(["pay", "ask", "stop"]))
        when = str(draw.choice(["now", "later", "soon"]))
        name = str(draw.choice(["Ann", "Bob", "Cat", "Dan"]))
        text = f"{name} wants to {intent} {at % 97} {when}"
        rows.append({"text": text, "intent": intent, "urgent": "yes" if when == "now" else "no"})
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("added")
    rows = _rows(240)
    write_jsonl(folder / "train.jsonl", [{**row, "urgent": None} for row in rows[0::4]])
    write_jsonl(folder / "later.jsonl", [{**row, "intent": None} for row in rows[1::4]])
    write_jsonl(folder / "validation.jsonl", rows[3::4])
    write_jsonl(folder / "test.jsonl", rows[2::4])
    write_tokenizer(folder / "tokenizer.json", [row["text"] for row in rows])
    (folder / "old.yaml").write_text(_OLD)
    (folder / "new.yaml").write_text(_NEW)
    succeed("distill", folder / "old.yaml", "--run-dir", folder / "old")
    succeed("distill", folder / "new.yaml", "--run-dir", folder / "new")
    return folder


def _reached(run: Path, task: str, model: str) -> float:
    report: dict[str, Any] = json.loads((run / "report.json").read_bytes())
    return report["splits"]["test"]["tasks"][task][model]["metrics"]["accuracy"]["value"]


def test_the_old_student_teaches_what_it_was(folder: Path) -> None:
    old = _reached(folder / "old", "intent", "student")
    assert old > 0.8
    assert _reached(folder / "new", "intent", "teacher") == old


def test_the_new_one_knows_both_tasks_and_the_old_one_by_its_teacher_alone(folder: Path) -> None:
    assert _reached(folder / "new", "intent", "student") > 0.8
    assert _reached(folder / "new", "urgent", "student") > 0.8


def test_a_task_that_it_does_not_know_is_refused(folder: Path) -> None:
    asked = ("--set", "teachers.old.tasks=[intent, urgent]")
    refused = kd2edge("check", folder / "new.yaml", *asked)
    assert refused.code == 2
    assert "task urgent: the teacher does not know it; it knows intent" in refused.err


def test_the_tokenizer_that_it_was_not_trained_with_is_refused(folder: Path) -> None:
    """Its own stands in its run; stated for it, another one is refused, and so is a start by it."""
    other = "{kind: text, tokenizer: {path: tokenizer.json}, max_length: 12}"
    for stated, place in (
        (f"teachers.old.inputs={{text: {other}}}", "teachers.0: checkpoint"),
        (f"inputs.text={other}", "student.init: init"),
    ):
        refused = kd2edge("check", folder / "new.yaml", "--set", stated)
        assert refused.code == 2
        assert "it was trained on other inputs: text.tokenizer '" in refused.err
        assert refused.err.count("it was trained on") == 1
        assert place in refused.err


def test_a_student_of_another_tokenizer_learns_from_it_all_the_same(folder: Path) -> None:
    other = ("--set", "inputs.text.tokenizer.path=tokenizer.json", "--set", "student.init=null")
    assert "text of old: of " in succeed("check", folder / "new.yaml", *other).out
    assert "text of old: of " not in succeed("check", folder / "new.yaml").out
    succeed("distill", folder / "new.yaml", "--run-dir", folder / "own", *other)
    old = _reached(folder / "old", "intent", "student")
    assert _reached(folder / "own", "intent", "teacher") == old
