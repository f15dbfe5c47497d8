from __future__ import annotations

import re
from pathlib import Path

import pytest

from kd2edge.errors import UsageError
from kd2edge.pipeline.verbs.gallery import gallery, started
from kd2edge.recipe import load_recipe


@pytest.mark.parametrize("name", ["mine", "42", "1e3", "true", "null", "0x1f", "a.b-c_d", "n" * 64])
def test_a_new_recipe_is_one_that_the_schema_takes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"
    path.write_text(started("quickstart", name), encoding="utf-8")
    assert load_recipe(path).recipe.name == name


@pytest.mark.parametrize("name", ["latest", "n" * 65, "-a", ".a", "a b", "a/b", "name\n", ""])
def test_a_name_that_the_schema_refuses_is_refused_before_it_is_written(name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a run"):
        started("quickstart", name)


@pytest.mark.parametrize("recipe", gallery(), ids=lambda recipe: recipe.name)
def test_a_new_recipe_keeps_the_commands_and_no_results_of_the_old_one(recipe) -> None:
    old = recipe.path.read_text(encoding="utf-8")
    new = started(recipe.name, "mine")
    header = new[: new.index("version:")]
    if recipe.name != "token/conll2003":  # of which nothing was measured
        assert "# Reached on " in old
        assert re.search(r"\b0\.\d{4}\b", old)
    assert not re.search(r"\b0\.\d{4}\b|Reached|points lost|means of|teacher   student", header)
    assert header.startswith(f"# mine, started from the recipe {recipe.name}:\n# {recipe.title}\n")
    assert "#   kd2edge distill mine.yaml\n#   kd2edge export " in header
    assert "#   kd2edge validate models/mine\n" in header
    body = old[old.index("version:") :]
    assert new[new.index("version:") :].replace('name: "mine"', "NAME") == re.sub(
        r"^name:.*$", "NAME", body, count=1, flags=re.MULTILINE
    )
