"""Recipes for tests: a full one, and a way to load a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kd2edge.errors import Problem, RecipeError
from kd2edge.recipe import LoadedRecipe, load_recipe

SMALL = """\
version: 1
name: small
data:
  sources:
    - {name: rows, kind: jsonl, train: train.jsonl, validation: val.jsonl, test: test.jsonl}
inputs:
  text: {kind: text, tokenizer: {path: tokenizer.json}}
tasks:
  intent: classification
  urgent: binary
teachers:
  - name: big
    model: {family: transformers, source: weights}
student:
  model: {family: transformers, config: {model_type: electra}}
"""

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[Problem]]


@pytest.fixture
def small() -> str:
    return SMALL


@pytest.fixture
def full() -> Path:
    return Path(__file__).parent / "full.yaml"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a text as the recipe of a folder of its own."""

    def loaded(text: str, *overrides: str, **options: Any) -> LoadedRecipe:
        path = tmp_path / "recipe.yaml"
        path.write_text(text, encoding="utf-8")
        return load_recipe(path, overrides=overrides, **{"environment": {}, **options})

    return loaded


@pytest.fixture
def problems(load: Load) -> Problems:
    """What is wrong with a text."""

    def found(text: str, *overrides: str, **options: Any) -> list[Problem]:
        with pytest.raises(RecipeError) as caught:
            load(text, *overrides, **options)
        assert caught.value.exit_code == 2
        return list(caught.value.problems)

    return found


def said(problems: Sequence[Problem]) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.message) for problem in problems]
