"""The wheel beside torch, far from the checkout: from a new recipe to answers by the same verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isolation.environments import ROOT, Environment
from products import QUICKSTART

SHORTER = [part for value in QUICKSTART for part in ("--set", value)]
CANVAS = {"image": [[0] * 48] * 28}


def test_kd2edge_comes_from_the_wheel(trainer: Environment) -> None:
    code = "import kd2edge, torch; print(kd2edge.__file__); print(torch.__file__)"
    package, torch = map(Path, trainer.python(code).split())
    assert trainer.folder in package.parents
    assert ROOT not in package.parents
    assert trainer.folder not in torch.parents


@pytest.mark.slow
def test_the_verbs_from_a_new_recipe_to_answers(trainer: Environment) -> None:
    rows = trainer.work / "rows.jsonl"
    rows.write_text(json.dumps(CANVAS) + "\n", encoding="utf-8")
    assert_ends(trainer, "new", "mine", "--from", "quickstart")
    assert_ends(trainer, "check", "mine.yaml")
    assert_ends(trainer, "distill", "mine.yaml", *SHORTER)
    assert_ends(trainer, "export", "--onnx")
    # 3: the few rows of a short run may be too few to say.
    printed = assert_ends(trainer, "validate", "models/mine", fine=(0, 3))
    assert "onnx-int8-qdq" in printed
    answers = [
        json.loads(line)
        for line in assert_ends(trainer, "predict", "models/mine", rows).split("\n")
        if line
    ]
    assert [set(answer) for answer in answers] == [{"left", "right", "larger"}]


def assert_ends(environment: Environment, *words: str | Path, fine: tuple[int, ...] = (0,)) -> str:
    """Stdout of a verb, which must leave with one of these codes."""
    done = environment.kd2edge(*words)
    assert done.returncode in fine, f"{words[0]}: {done.returncode}: {done.stderr}"
    return done.stdout
