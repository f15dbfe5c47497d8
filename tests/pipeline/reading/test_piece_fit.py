from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from commands import kd2edge, succeed
from kd2edge.pipeline.reading.piece_fit import PieceFit, fit_lines
from kd2edge.pipeline.steps.measured import measured
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from products import write_jsonl, write_text_project


def test_check_states_how_texts_fall_into_pieces(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    said = json.loads(succeed("check", recipe, "--json").out)["pieces"]["text"]
    assert said["fits"]
    assert said["unknown"] == 0
    assert not said["sample"]


def test_check_warns_of_a_tokenizer_that_does_not_know_the_script(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(line), "text": f"今天天气{at}"} for at, line in enumerate(lines)]
    write_jsonl(tmp_path / "train.jsonl", rows)
    said = succeed("check", recipe).out
    assert "does not fit them (unknown above 5%" in said
    learned = succeed("check", recipe, "--set", "inputs.text.tokenizer={train: unigram}").out
    assert "does not fit" not in learned


@pytest.mark.parametrize("text", ["", "\U0001f642"])
def test_rows_that_no_piece_stands_for_are_refused_before_training(
    tmp_path: Path, text: str
) -> None:
    """Such a model sees nothing; some rows of the kind are no fault."""
    recipe = write_text_project(tmp_path)
    model = {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}  # nothing for the unknown
    (tmp_path / "letters.json").write_text(json.dumps({"model": model}), encoding="utf-8")
    lines = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{**json.loads(line), "text": text} for line in lines]
    tokenizer = "inputs.text.tokenizer={path: letters.json}"
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "more.jsonl", [{"text": text}])
    for verb in (["check"], ["distill", "--run-dir", tmp_path / "run"]):
        ended = kd2edge(*verb, recipe, "--set", tokenizer)
        assert ended.code == 2
        assert "training rows gives a piece (first: " in ended.err
        assert "train.jsonl:1" in ended.err
    assert not list(tmp_path.glob("run/student*"))


def test_a_sample_is_said_to_be_one() -> None:
    fit = PieceFit(2000, sample=True, pieces=9, unknown=0.0, single=0.6, fits=False)
    first, second = fit_lines({"text": fit})
    assert "(2,000 training rows, a sample)" in first
    assert "single letters above 50%" in " ".join(second.split())


def test_a_report_of_words_that_no_piece_stands_for_has_no_reliability() -> None:
    """All of them are wrong, which the metric says; no decision has a confidence."""
    spec = TaskSpec(TaskName("ner"), "token_classification", ("O", "B-x"), "accuracy")
    edges = np.array([0, 1, 3])
    labels = Ragged(np.full(3, -1), edges)
    decoded = Decoded(labels, Ragged(np.zeros((3, 2), np.float32), edges))
    truth = Truth(Ragged(np.array([0, 1, 0]), edges))
    found = measured(spec, truth, decoded, [2, 1], np.arange(2))
    assert found["reliability"] is None
    assert found["cut_words"] == 3
