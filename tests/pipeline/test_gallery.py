from __future__ import annotations

from pathlib import Path

import pytest

from kd2edge.errors import UsageError
from kd2edge.pipeline.gallery import started
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
