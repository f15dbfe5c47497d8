"""Reading recipes: YAML to a checked, frozen Recipe, with every problem and its place at once."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kd2edge.errors import BackendError

if TYPE_CHECKING:
    from kd2edge.recipe.load import LoadedRecipe, load_recipe
    from kd2edge.recipe.schema import Recipe, by_task, json_schema

__all__ = ["LoadedRecipe", "Recipe", "by_task", "json_schema", "load_recipe"]

# pydantic and yaml come in with the first of these names: `import kd2edge.recipe` costs nothing.
_HOMES = {
    "LoadedRecipe": "kd2edge.recipe.load",
    "Recipe": "kd2edge.recipe.schema",
    "by_task": "kd2edge.recipe.schema",
    "json_schema": "kd2edge.recipe.schema",
    "load_recipe": "kd2edge.recipe.load",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'kd2edge.recipe' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in {"pydantic", "pydantic_core", "yaml"}:
            raise
        raise BackendError(
            f"reading a recipe needs {error.name}: pip install 'kd2edge[recipe]'"
        ) from error
