"""From a recipe's file to a checked Recipe: all problems at once, each with its place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from pydantic import ValidationError

from kd2edge.errors import Problem, RecipeError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.recipe.checks import faults
from kd2edge.recipe.complaints import is_echo, problem_of, steps_of
from kd2edge.recipe.files import missing_files
from kd2edge.recipe.overrides import apply_override
from kd2edge.recipe.places import Places, Steps
from kd2edge.recipe.references import reference_problems
from kd2edge.recipe.schema.base import FOLDER
from kd2edge.recipe.schema.inherited import is_inherited, stated, stated_by_teacher
from kd2edge.recipe.schema.recipe import Recipe
from kd2edge.recipe.schema.written import written
from kd2edge.recipe.yaml_text import LONGEST, dump_yaml, parse_yaml

#: Most problems that are told: who reads more of them?
_MOST = 100


@final
@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A recipe, and where it came from.

    Args:
        recipe: the checked recipe; its local paths are absolute.
        path: the file.
        places: where every key and value stands.
        resolved: the recipe as plain values, every default, override and path filled in.
        fingerprint: SHA-256 (hex) of ``resolved``, the places of files on this machine left out.
    """

    recipe: Recipe
    path: Path
    places: Places
    resolved: Mapping[str, Any]
    fingerprint: str

    @property
    def folder(self) -> Path:
        """Where the recipe's relative paths start."""
        return _folder(self.path)

    def dump_resolved(self) -> str:
        """A recipe that loads as the same one from any folder: what a run keeps.

        Nothing is left out but what says nothing: a method without options is its bare name, and a
        phase or a taught teacher states what is not as in the whole recipe.
        """
        tree = written(self.recipe)
        tree["teachers"] = [stated_by_teacher(teacher, tree) for teacher in tree["teachers"]]
        tree["phases"] = [stated(phase, tree) for phase in tree["phases"]]
        return dump_yaml(tree)

    def problem(self, field: str, message: str) -> Problem:
        """A problem that was found later (in the data, say), at the place of ``field``."""
        steps = (int(step) if step.isdecimal() else step for step in field.split("."))
        return self.places.problem(tuple(steps), message)


def load_recipe(
    path: str | os.PathLike[str],
    *,
    overrides: Sequence[str] = (),
    check_files: bool = False,
    environment: Mapping[str, str] | None = None,
) -> LoadedRecipe:
    """Read and check a recipe.

    Args:
        path: the YAML file.
        overrides: ``train.lr=1e-3``: values that replace the file's.
        check_files: also report local files that are named and not there.
        environment: variables for ``${NAME}``; None: those of the process.

    Raises:
        RecipeError: everything that is wrong with it.
    """
    file = Path(path)
    text = _text(file)
    variables = os.environ if environment is None else environment
    document = parse_yaml(text, str(file), variables)
    tree, places, problems = document.value, document.places, list(document.problems)
    if not isinstance(tree, dict):
        raise RecipeError(problems or [Problem("expected a mapping of keys", str(file), 1, 1)])
    for override in overrides:
        problems += apply_override(tree, override, places, variables)
    problems += reference_problems(tree, places)
    recipe = _validated(tree, _folder(file), places, problems)
    if recipe is not None and check_files:
        problems += [places.problem(steps, message) for steps, message in missing_files(recipe)]
    if recipe is None or problems:
        raise RecipeError(_in_order(problems))
    return _loaded(recipe, file, places)


def _folder(file: Path) -> Path:
    return file.resolve().parent


def _text(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            content = handle.read(4 * LONGEST + 1)  # a character has at most four bytes
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecipeError([Problem(f"cannot be read: {reason}", str(file))]) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RecipeError([Problem("is not UTF-8 text", str(file), line, 1)]) from error


def _validated(
    tree: dict[str, Any], folder: Path, places: Places, problems: list[Problem]
) -> Recipe | None:
    """The recipe; None, with problems added, when its parts are not right."""
    context = {FOLDER: folder}
    try:
        recipe = Recipe.model_validate(tree, context=context)
    except ValidationError as error:
        found = [
            one
            for one in error.errors(include_url=False)
            if not is_echo(one) and not is_inherited(steps_of(one["loc"], one["type"]), tree)
        ]
        problems += [problem_of(one, places) for one in found[:_MOST]]
        if len(found) > _MOST:  # no recipe with slips: only the first ones are worth their words
            rest = ((steps_of(one["loc"], one["type"]), one["msg"]) for one in found[_MOST:])
            problems += [places.problem(steps, message) for steps, message in rest]
            return None
        recipe = _mended(tree, [steps_of(one["loc"], one["type"]) for one in found], context)
        if recipe is not None:
            problems += [places.problem(steps, message) for steps, message in faults(recipe)]
        return None
    problems += [places.problem(steps, message) for steps, message in faults(recipe)]
    return recipe


def _mended(tree: Any, wrong: Sequence[Steps], context: Any) -> Recipe | None:
    """The recipe without what was wrong in it, where that has defaults: for the other checks."""
    rest = tree
    for steps in wrong:
        rest = _without(rest, steps)
    try:
        return Recipe.model_validate(rest, context=context)
    except ValidationError:
        return None


def _without(value: Any, steps: Steps) -> Any:
    """A copy without one key; lists keep their length, so that places still hold."""
    if not steps or not isinstance(value, (dict, list)):
        return value
    first, *rest = steps
    if isinstance(value, list):
        return [_without(v, tuple(rest)) if at == first else v for at, v in enumerate(value)]
    kept = {key: item for key, item in value.items() if key != first or rest}
    if first in kept:
        kept[first] = _without(kept[first], tuple(rest))
    return kept


def _in_order(problems: Sequence[Problem]) -> list[Problem]:
    """Without repetitions, as they stand in the file."""
    unique = dict.fromkeys(problems)
    kept = sorted(unique, key=lambda one: (one.file.startswith("--"), one.line, one.column))
    more = len(kept) - _MOST
    return kept if more <= 0 else [*kept[:_MOST], Problem(f"and {more:,} more problems")]


def _loaded(recipe: Recipe, file: Path, places: Places) -> LoadedRecipe:
    resolved = recipe.model_dump(mode="json", by_alias=True)
    anywhere = _without_folders(recipe.model_dump(by_alias=True, exclude={"data": {"root"}}))
    return LoadedRecipe(recipe, file, places, resolved, fingerprint(anywhere))


def _without_folders(value: Any) -> Any:
    """Local paths down to their last name: the same recipe elsewhere has the same fingerprint."""
    if isinstance(value, dict):
        return {key: _without_folders(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(item) for item in value]
    return value.name if isinstance(value, Path) else value
