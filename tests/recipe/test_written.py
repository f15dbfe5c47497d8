from __future__ import annotations

from pathlib import Path

from kd2edge.recipe import load_recipe
from kd2edge.recipe.schema.base import Part
from kd2edge.recipe.schema.features import Cosine, Feature, Mse, NoProjector
from kd2edge.recipe.schema.written import written


def test_every_key_stands_there_under_the_name_that_a_recipe_has_for_it() -> None:
    part = Feature.model_validate({"teacher": "t", "from": "a", "to": "b"})
    assert list(written(part)) == [
        "teacher",
        "from",
        "to",
        "loss",
        "projector",
        "standardise",
        "weight",
    ]


def test_a_method_without_options_is_its_bare_name() -> None:
    options = {"teacher": "t", "from": "a", "to": "b", "loss": "mse", "projector": "none"}
    part = written(Feature.model_validate(options))
    assert (part["loss"], part["projector"]) == ("mse", "none")
    assert written((Cosine(), Mse(), NoProjector())) == ["cosine", "mse", "none"]


def test_the_kind_stands_first(full: Path) -> None:
    recipe = load_recipe(full, environment={}).recipe
    found = written(recipe)
    assert all(next(iter(one)) == "kind" for one in found["data"]["sources"])
    assert all(next(iter(one)) == "kind" for one in found["inputs"].values())
    assert next(iter(found["student"]["model"])) == "family"


def test_what_is_free_in_a_recipe_may_be_called_kind() -> None:
    class Free(Part):
        config: dict[str, object] = {}
        columns: dict[str, str] = {}

    kept = {"config": {"kind": "x"}, "columns": {"family": "y"}}
    assert written(Free.model_validate(kept)) == kept
