"""Who teaches whom, and what a taught teacher does not state is as the recipe says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kd2edge.errors import Problem
from kd2edge.recipe import LoadedRecipe
from kd2edge.recipe.schema.inherited import is_inherited
from kd2edge.recipe.schema.teaching import Teaching

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[Problem]]

DISTILL = "distill: {alpha: {intent: 0.2, urgent: 0.3}, temperature: 3.0, balance: uncertainty}\n"


@pytest.fixture
def chain(small: str) -> str:
    """``big`` teaches ``middle``, which teaches ``late``; each states something of its own."""
    taught = """\
  - name: middle
    model: {family: transformers, config: {model_type: electra}}
    taught_by: big
    distill: {alpha: 1.0}
  - name: late
    model: {family: transformers, config: {model_type: electra}}
    taught_by: [middle]
"""
    return small.replace("student:\n", f"{taught}student:\n") + DISTILL


def _names(loaded: LoadedRecipe, task: str) -> list[str]:
    return [one.name for one in loaded.recipe.teachers_of(task)]


def test_each_key_is_its_own_or_the_recipes(load: Load, chain: str) -> None:
    big, middle, late = load(chain).recipe.teachers
    assert big.distill is None
    assert middle.distill is not None
    assert late.distill is not None
    assert (middle.distill.alpha, middle.distill.temperature) == (1.0, 3.0)
    assert late.distill.alpha == {"intent": 0.2, "urgent": 0.3}


def test_every_key_of_how_teachers_are_listened_to_is_inherited(load: Load, chain: str) -> None:
    own = {"alpha": "0.9", "temperature": "5", "logits": "mse", "join": "mean"}
    assert own.keys() == Teaching.model_fields.keys()
    recipe = load(chain, *(f"distill.{key}={value}" for key, value in own.items())).recipe
    late = recipe.teacher("late").distill
    assert late is not None
    assert {key: getattr(recipe.distill, key) for key in own} == dict(late)


def test_what_a_run_keeps_loads_as_the_same_recipe(load: Load, chain: str) -> None:
    first = load(chain)
    kept = first.dump_resolved()
    again = load(kept)
    assert again.recipe == first.recipe
    assert again.dump_resolved() == kept
    own = {
        steps[1:] for steps in again.places.keys if steps[0] == "teachers" and "distill" in steps
    }
    assert own == {(0, "distill"), (1, "distill"), (1, "distill", "alpha")}
    # A value that is put into it later reaches who has none of its own.
    changed = load(kept, "distill.alpha=0.7").recipe
    alphas = [one.distill and one.distill.alpha for one in changed.teachers]
    assert alphas == [None, 1.0, 0.7]


def test_the_student_is_taught_by_those_who_teach_nobody_else(load: Load, chain: str) -> None:
    assert _names(load(chain), "intent") == ["late"]
    assert _names(load(chain, "student.taught_by=[big]"), "intent") == ["big"]
    joined = load(chain, "student.taught_by=[big, late]", "distill.join=mean")
    assert _names(joined, "intent") == ["big", "late"]


def test_that_holds_task_by_task(load: Load, chain: str) -> None:
    one = ["teachers.middle.tasks=intent", "teachers.late.tasks=intent"]
    loaded = load(chain, *one)
    assert _names(loaded, "intent") == ["late"]
    assert _names(loaded, "urgent") == ["big"]


def test_a_taught_teacher_stands_in_the_student_s_place(load: Load, chain: str) -> None:
    recipe = load(chain, "teachers.late.tasks=urgent").recipe
    middle, late = (recipe.learned_by(recipe.teacher(name)) for name in ("middle", "late"))
    assert [one.name for one in middle.teachers_of("intent")] == ["big"]
    assert [one.name for one in late.teachers_of("urgent")] == ["middle"]
    assert list(late.tasks) == ["urgent"]
    assert middle.distill.alpha == 1.0
    assert middle.distill.balance.kind == "static"


def test_a_map_of_a_taught_teacher_names_its_own_tasks(
    load: Load, problems: Problems, chain: str
) -> None:
    own = "teachers.late.distill={alpha: {urgent: 0.5}}"
    for tasks in ("urgent", "[urgent]"):
        recipe = load(chain, own, f"teachers.late.tasks={tasks}").recipe
        assert recipe.learned_by(recipe.teacher("late")).distill.alpha == {"urgent": 0.5}
    for tasks in ("null", "[intent, urgent]"):
        (found,) = problems(chain, own, f"teachers.late.tasks={tasks}")
        assert found.field == "teachers.2.distill.alpha"
        assert found.message == "a map by task names every task; no 'intent'"


def test_a_student_that_names_nobody_is_told_so(load: Load, problems: Problems, chain: str) -> None:
    found = problems(chain, "student.taught_by=[]", "distill.alpha=0.5")
    expected = "student.taught_by is empty, and nobody teaches 'intent', 'urgent': name teachers"
    assert [one.message.startswith(expected) for one in found] == [True]
    load(chain, "student.taught_by=[]", "distill.alpha=0")
    (found,) = problems(chain, "student.taught_by=[]", "distill.alpha={intent: 0, urgent: 1}")
    assert found.field == "distill.alpha.urgent"
    assert "name teachers, or drop it, or set its alpha to 0" in found.message


def test_a_wrong_value_of_the_whole_recipe_is_told_once(problems: Problems, chain: str) -> None:
    found = problems(chain.replace("temperature: 3.0", "temperature: cold"))
    assert [one.field for one in found] == ["distill.temperature"]
    assert not is_inherited(("teachers", 1, "distill", "alpha"), {"teachers": [{}, "x"]})
    assert is_inherited(("teachers", 0, "distill", "alpha"), {"teachers": [{"distill": None}]})
