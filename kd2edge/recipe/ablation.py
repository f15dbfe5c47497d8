"""A recipe without one of its parts: the override that puts the part back to its default."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from kd2edge.errors import UsageError
from kd2edge.recipe.environment import escaped
from kd2edge.recipe.load import LoadedRecipe
from kd2edge.recipe.overrides import steps_to
from kd2edge.recipe.places import Steps, dotted
from kd2edge.recipe.schema.base import FOLDER
from kd2edge.recipe.schema.recipe import Recipe

__all__ = ["override", "without"]


def override(path: str, value: Any) -> str:
    """``--set``'s text for a plain value; variables in it stay texts.

    Args:
        path: where it stands.
        value: JSON values.
    """
    return f"{path}={escaped(json.dumps(value, ensure_ascii=False))}"


def without(loaded: LoadedRecipe, path: str) -> str:
    """The override that takes a part away: its default in its place, an item of a list left out.

    Args:
        loaded: the recipe.
        path: the part, as ``--set`` would name it: ``distill.features``, ``data.unlabelled.more``.

    Raises:
        UsageError: no such part, one that must be there, or one that is at its default already.
    """
    tree: Any = deepcopy(dict(loaded.resolved))
    try:
        steps = steps_to(tree, path)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    above, last = steps[:-1], steps[-1]
    del _at(tree, above)[last]
    try:
        rest = Recipe.model_validate(tree, context={FOLDER: loaded.folder})
    except ValidationError as error:
        raise UsageError(
            f"{path}: the recipe cannot be without it ({error.errors()[0]['msg']}): name a part"
            " that has a default"
        ) from error
    plain = rest.model_dump(mode="json", by_alias=True)
    if plain == loaded.resolved:
        raise UsageError(f"{path}: it is at its default, there is nothing to be without")
    # What has no default is an item of a list or of a map: these are stated without it.
    is_item = isinstance(last, int) or last not in _at(plain, above)
    place = tuple(above) if is_item else steps
    return override(dotted(place), _at(plain, place))


def _at(tree: Any, steps: Steps) -> Any:
    for step in steps:
        tree = tree[step]
    return tree
