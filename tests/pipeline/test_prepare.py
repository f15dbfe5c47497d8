"""What is refused before any training: rows, labels, and metrics that do not fit them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kd2edge.errors import Problem, RecipeError
from kd2edge.pipeline.prepare import prepared, require_sound
from kd2edge.recipe import load_recipe
from products import write_jsonl, write_text_project, write_token_project


def problems_of(recipe: Path, *overrides: str) -> list[Problem]:
    loaded = load_recipe(recipe, overrides=overrides)
    with pytest.raises(RecipeError) as caught:
        require_sound(loaded, prepared(loaded))
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("override", "field"),
    [
        ("tasks.pos.metrics=[accuracy, entity_f1]", "tasks.pos.metrics"),
        ("tasks.pos.metric=entity_f1", "tasks.pos.metric"),
    ],
)
def test_a_metric_that_the_labels_have_no_value_for_is_refused(
    tmp_path: Path, override: str, field: str
) -> None:
    (problem,) = problems_of(write_token_project(tmp_path), override)
    assert problem.field == field
    assert "entity_f1 needs labels O, B-x, I-x" in problem.message


def test_auc_cannot_decide_where_validation_has_one_label(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    auc = "tasks.urgent.metric=auc"
    _keep(tmp_path / "validation.jsonl", lambda label: label != "no")
    (problem,) = problems_of(recipe, auc)
    assert problem.field == "tasks.urgent.metric"
    assert "only 'yes'" in problem.message
    loaded = load_recipe(recipe)  # reported only: the report says why it has no value
    require_sound(loaded, prepared(loaded))


def _keep(path: Path, wanted: Callable[[str | None], bool]) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_jsonl(path, [row for row in rows if wanted(row["urgent"])])
