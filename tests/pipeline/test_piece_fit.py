from __future__ import annotations

import json
from pathlib import Path

from commands import succeed
from kd2edge.pipeline.piece_fit import PieceFit, fit_lines
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


def test_a_sample_is_said_to_be_one() -> None:
    fit = PieceFit(2000, sample=True, pieces=9, unknown=0.0, single=0.6, fits=False)
    first, second = fit_lines({"text": fit})
    assert "(2,000 training rows, a sample)" in first
    assert "single letters above 50%" in " ".join(second.split())
