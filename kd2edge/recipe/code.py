"""Whether a recipe may run code that it names: the command line's to say, never the recipe's."""

from __future__ import annotations

from kd2edge.errors import RecipeError
from kd2edge.recipe.load import LoadedRecipe
from kd2edge.recipe.schema import PythonModel


def require_code_allowed(loaded: LoadedRecipe, allow_code: bool) -> None:
    """Refuse a recipe that names code, unless whoever runs it said that it may run.

    To be called before anything is imported or read.

    Args:
        loaded: the recipe.
        allow_code: what the command line said.

    Raises:
        RecipeError: it names code, each at its place.
    """
    named = [
        (index, teacher.model.object)
        for index, teacher in enumerate(loaded.recipe.teachers)
        if isinstance(teacher.model, PythonModel)
    ]
    if named and not allow_code:
        raise RecipeError(
            [
                loaded.problem(
                    f"teachers.{index}.model.object",
                    f"{name} is code, which would run with your rights: read it, and say"
                    " --allow-code if you trust it",
                )
                for index, name in named
            ]
        )
