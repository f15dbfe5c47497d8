from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from kd2edge.errors import RecipeError
from kd2edge.recipe import Recipe, by_task, load_recipe
from kd2edge.recipe.schema.choices import members


def test_loads_and_says_what_it_means(full: Path) -> None:
    recipe = load_recipe(full, environment={"KD2EDGE_DATA": "/data"}).recipe
    assert recipe.data.root == Path("/data")
    assert recipe.data.path("a/b.jsonl") == Path("/data/a/b.jsonl")
    first = recipe.data.sources[0]
    assert first.splits()["test"] == ("nlu_clinc150/test.jsonl", "nlu_clinc150/more.jsonl")
    assert recipe.data.sources[1].row_options() == {"delimiter": ";"}
    assert recipe.data.sources[3].row_options()["separator"] == "\t"
    assert recipe.data.sources[4].row_options() == {"train": 100}
    assert recipe.inputs["photo"].columns == ("photo",)
    assert recipe.tasks["domain"].column == "domain"
    assert recipe.tasks["domain"].labels == ("banking", "travel", "0", "no")
    assert recipe.tasks["urgent"].labels == ("no", "yes")
    assert recipe.teacher("tagger").checkpoint == full.parent / "teachers" / "tagger.safetensors"
    assert recipe.teacher("tagger").train is None
    assert recipe.teachers[0].train is not None
    assert recipe.teachers[0].train.lr == 3e-4
    assert [one.name for one in recipe.teachers_of("ner")] == ["tagger"]
    assert by_task(recipe.distill.alpha, ["urgent"]) == {"urgent": 0}
    assert by_task(recipe.distill.temperature, ["urgent", "intent"]) == {"urgent": 1, "intent": 4}
    assert by_task(recipe.distill.logits, ["ner"])["ner"].kind == "kl"
    assert recipe.distill.features[1].projector.kind == "none"
    assert recipe.gate.confidence == 0.95
    assert recipe.licences.weights == ("MIT",)


def test_names_every_key_that_the_schema_has(full: Path) -> None:
    """So that each key is loaded, dumped and read again by the tests that use this recipe."""
    places = load_recipe(full, environment={}).places
    written = {str(steps[-1]) for steps in places.keys if isinstance(steps[-1], str)}
    # Of an init that is of no teacher, or of one that is a cnn, and of an ordinal task.
    assert _keys(Recipe) - written == {"run", "convolutions", "quantile"}


def _keys(annotation: Any) -> set[str]:
    """Every key of a part and of all parts below it."""
    found: set[str] = set()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            found |= {field.alias or name} | _keys(field.annotation)
        return found
    for inner in getattr(annotation, "__args__", members(annotation)):
        if inner is not annotation:
            found |= _keys(inner)
    return found


def test_what_a_run_keeps_loads_as_the_same_recipe_from_another_folder(
    full: Path, tmp_path: Path
) -> None:
    first = load_recipe(full, overrides=["train.lr=1e-4"], environment={"KD2EDGE_DATA": "rows"})
    kept = tmp_path / "runs" / "kept.yaml"
    kept.parent.mkdir()
    kept.write_text(first.dump_resolved(), encoding="utf-8")
    again = load_recipe(kept, environment={"KD2EDGE_DATA": "elsewhere"})
    assert again.recipe == first.recipe
    assert again.resolved == first.resolved
    assert again.fingerprint == first.fingerprint
    assert again.dump_resolved() == first.dump_resolved()
    assert again.recipe.data.root == full.parent / "rows"


def test_the_fingerprint_tells_recipes_apart_but_not_machines(full: Path) -> None:
    def fingerprint(*overrides: str, root: str = "/data") -> str:
        environment = {"KD2EDGE_DATA": root}
        return load_recipe(full, overrides=overrides, environment=environment).fingerprint

    assert fingerprint(root="/other") == fingerprint()
    assert fingerprint("train.lr=0.001") == fingerprint()  # what it was
    assert fingerprint("train.lr=0.002") != fingerprint()
    assert fingerprint("seed=18") != fingerprint()


def test_is_frozen(full: Path) -> None:
    recipe = load_recipe(full, environment={}).recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.train.lr = 1.0  # pyright: ignore[reportAttributeAccessIssue]


def test_missing_files_are_named_where_they_are_asked_for(full: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe(full, check_files=True, environment={"KD2EDGE_DATA": str(tmp_path)})
    fields = {problem.field for problem in caught.value.problems}
    assert {"data.sources.0.train", "data.sources.0.test.1", "data.unlabelled.0.train"} <= fields
    assert {"teachers.1.checkpoint", "teachers.1.inputs.text.tokenizer.path"} <= fields
    assert not any(field.startswith("data.sources.4") for field in fields)
    assert all(problem.line for problem in caught.value.problems)
