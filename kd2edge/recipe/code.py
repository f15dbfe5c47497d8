"""Whether a recipe may run code that it names: the command line's to say, never the recipe's."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.errors import RecipeError
from kd2edge.recipe.load import LoadedRecipe
from kd2edge.recipe.schema import PythonModel, SklearnModel, TeacherModel


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
        (f"teachers.{index}.model.{key}", said)
        for index, teacher in enumerate(loaded.recipe.teachers)
        for key, said in _code(teacher.model)
    ]
    if named and not allow_code:
        raise RecipeError(
            [
                loaded.problem(
                    place,
                    f"{said}, which would run with your rights: read it, and say --allow-code if"
                    " you trust it",
                )
                for place, said in named
            ]
        )


def _code(model: TeacherModel) -> Iterator[tuple[str, str]]:
    """Keys of a model that name code, and what they name."""
    if isinstance(model, PythonModel):
        yield "object", f"{model.object} is code"
    if isinstance(model, SklearnModel) and model.trusted:
        named = ", ".join(model.trusted)
        yield "trusted", f"{named}: trusting types is trusting the file, and with it code"
