"""What does not fit is said before any teacher is trained, by ``check`` and ``distill`` alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kd2edge.errors import Problem, RecipeError
from kd2edge.pipeline.distilling import RunOptions, distill_recipe
from kd2edge.pipeline.plan import plan_of
from kd2edge.recipe import load_recipe
from products import write_text_project

_HINT = "distill.features.0"
_INIT = "student.init"


def problems_of(recipe: Path, *overrides: str) -> list[Problem]:
    """What ``check`` says; ``distill`` must say the same, and train nothing."""
    loaded = load_recipe(recipe, overrides=overrides)
    with pytest.raises(RecipeError) as checked:
        plan_of(loaded)
    events: list[Any] = []
    with pytest.raises(RecipeError) as distilled:
        distill_recipe(loaded, RunOptions(recipe.parent / "run"), on_event=events.append)
    assert distilled.value.problems == checked.value.problems
    assert not events
    return list(checked.value.problems)


@pytest.mark.parametrize(
    ("override", "field", "says"),
    [
        ("teachers.0.model.config.hiden_size=8", "teachers.0", "did you mean 'hidden_size'"),
        ("student.model.config.hiden_size=8", "student.model", "did you mean 'hidden_size'"),
        ("inputs.text.max_length=17", "student.model", "17 is more than the 16 positions"),
        (f"{_HINT}.from=encoder.layer.7", f"{_HINT}.from", "no module 'encoder.layer.7'"),
        (f"{_HINT}.to=encoder.layr.0", _HINT, "no module 'encoder.layr.0'"),
        (f"{_HINT}={{teacher: bert, from: embeddings, to: embeddings, projector: none}}", _HINT,
         "widths 8 and 16 differ"),
        (f"{_INIT}.layers=[0, 1]", _INIT, "the student has 1 layers"),
        (f"{_INIT}.layers=[5]", _INIT, "the teacher has layers 0 to 1"),
        ("student.model.config.embedding_size=32", _INIT, "wider (32) than the teacher's (16)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_any_training(
    tmp_path: Path, override: str, field: str, says: str
) -> None:
    found = problems_of(write_text_project(tmp_path), override)
    assert any(problem.field == field and says in problem.message for problem in found), found


def test_all_of_it_comes_at_once(tmp_path: Path) -> None:
    wrong = ("student.init.layers=[5]", f"{_HINT}.to=nowhere", f"{_HINT}.from=nowhere")
    found = problems_of(write_text_project(tmp_path), *wrong)
    assert [problem.field for problem in found] == [f"{_HINT}.from", _HINT, _INIT]
