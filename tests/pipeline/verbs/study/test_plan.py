from __future__ import annotations

from pathlib import Path

import pytest

from kd2edge.errors import RecipeError, UsageError
from kd2edge.pipeline.verbs.study.plan import BASE, Asked, Range, plan_study

TEMPERATURES = "distill.temperature=[1.0, 4.0]"
RATE = "train.lr={low: 1.0e-4, high: 1.0e-2, log: true}"


def test_the_recipe_as_it_is_comes_first_and_then_every_combination(recipe: Path) -> None:
    plan = plan_study(recipe, (), Asked((TEMPERATURES, "train.epochs=[1, 2]"), seeds=2))
    assert [one.name for one in plan.variants] == [
        BASE,
        "temperature=1 epochs=1",
        "temperature=1 epochs=2",
        "temperature=4 epochs=1",
        "temperature=4 epochs=2",
    ]
    assert plan.variants[2].overrides == ("distill.temperature=1.0", "train.epochs=2")
    assert plan.seeds == (3, 4)  # from the recipe's own on
    assert not plan.is_search


def test_an_ablation_leaves_out_one_part_at_a_time(recipe: Path) -> None:
    plan = plan_study(recipe, (), Asked(ablate=("distill.features", "distill.balance")))
    names = [one.name for one in plan.variants]
    assert names == [BASE, "without distill.features", "without distill.balance"]
    assert plan.is_ablation


def test_a_range_is_searched_by_tpe_with_a_budget(recipe: Path) -> None:
    plan = plan_study(recipe, (), Asked((RATE, TEMPERATURES), trials=7))
    assert (plan.sampler, plan.trials, plan.is_search) == ("tpe", 7, True)
    assert plan.space == {
        "train.lr": Range(1e-4, 1e-2, log=True),
        "distill.temperature": ("1.0", "4.0"),
    }
    assert [one.name for one in plan.variants] == [BASE]
    chosen = plan.chosen({"train.lr": 2e-05, "distill.temperature": "4.0"})
    assert chosen.overrides == ("train.lr=2e-05", "distill.temperature=4.0")
    drawn = plan.chosen({"train.lr": 0.003554658652723446, "distill.temperature": "4.0"})
    assert drawn.name == "lr=0.003555 temperature=4"
    assert drawn.overrides[0] == "train.lr=0.003554658652723446"


def test_fields_of_one_last_name_are_told_apart(recipe: Path) -> None:
    fields = ("train.lr=[0.001]", "teachers.bert.train.lr=[0.002]")
    plan = plan_study(recipe, (), Asked(fields))
    assert plan.variants[1].name == "train.lr=0.001 teachers.bert.train.lr=0.002"


def test_all_variants_are_loaded_before_any_is_trained(recipe: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_study(recipe, (), Asked(("distill.temperature=[-1.0]", "train.epochs=[0, 1]")))
    assert {one.field for one in caught.value.problems} == {"distill.temperature", "train.epochs"}
    with pytest.raises(RecipeError, match="train.lr"):  # the end of a range
        plan_study(recipe, (), Asked(("train.lr={low: -1.0, high: 1.0}",)))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(), "one of the two"),
        (Asked((TEMPERATURES,), ("distill.features",)), "one of the two"),
        (Asked(("train.lr=3",)), "expected FIELD="),
        (Asked(("train.lr",)), "expected FIELD="),
        (Asked(("train.lr=[]",)), "expected FIELD="),
        (Asked(("train.lr=[1, 1]",)), "stands twice"),
        (Asked((TEMPERATURES, TEMPERATURES)), "every field once"),
        (Asked(("train.lr={low: 2, high: 1}",)), "low below high"),
        (Asked(("train.lr={low: 0, high: 1, log: true}",)), "above 0"),
        (Asked(("train.lr={low: 1, hi: 2}",)), "low: NUMBER"),
        (Asked(("train.lr={low: true, high: 2}",)), "low: NUMBER"),
        (Asked(("seed=[1, 2]",)), "--seeds"),
        (Asked(("baseline=[false]",)), "cannot be varied"),
        (Asked(("train.threads=[1]",)), "no student depends on it"),
        (Asked(ablate=("validate.max_drop",)), "no student depends on it"),
        (Asked((RATE,), sampler="grid"), "is a range"),
        (Asked((TEMPERATURES,), trials=3), "--trials"),
        (Asked(ablate=("distill.features",), sampler="tpe"), "--sampler"),
        (Asked((TEMPERATURES,), metrics={"intend": "accuracy"}), "did you mean 'intent'"),
        (Asked((TEMPERATURES,), metrics={"intent": "mae"}), "the recipe's report has"),
        (Asked((f"train.epochs={list(range(1, 300))}",)), "at most 200"),
    ],
)
def test_what_cannot_be_meant_is_refused(recipe: Path, asked: Asked, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_study(recipe, (), asked)


def test_a_study_is_known_by_all_but_the_number_of_its_trials(recipe: Path) -> None:
    few, many = (plan_study(recipe, (), Asked((RATE,), trials=count)).parts for count in (3, 9))
    assert few == many
    others = [
        plan_study(recipe, ("train.epochs=9",), Asked((RATE,))),
        plan_study(recipe, (), Asked((RATE,), seeds=2)),
        plan_study(recipe, (), Asked((RATE,), sampler="random")),
        plan_study(recipe, (), Asked((RATE.replace("true", "false"),))),
        plan_study(recipe, (), Asked((RATE,), metrics={"intent": "accuracy"})),
    ]
    for other, part in zip(
        others, ("recipe", "seeds", "sampler", "fields", "metrics"), strict=True
    ):
        assert {key for key in few if few[key] != other.parts[key]} == {part}
