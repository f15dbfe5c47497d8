"""``--set a.b.c=value``: values from the command line, put where the recipe would have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.errors import Problem
from kd2edge.recipe.hints import hint
from kd2edge.recipe.places import OVERRIDE, Places, Steps, dotted
from kd2edge.recipe.yaml_text import parse_yaml

#: What a bare string is short for, where that is not ``{kind: string}``.
_SHORT = {"model": "family", "source": "path"}


def apply_override(
    tree: Any, override: str, places: Places, environment: Mapping[str, str]
) -> list[Problem]:
    """Put one override into ``tree`` (changed in place) and note it in ``places``.

    Args:
        tree: the recipe's root mapping.
        override: ``key.key=value``; the value is YAML.  In a list a step is an index, or the
            ``name`` of an item.
        places: gets the override's steps.
        environment: variables for ``${NAME}`` in the value.

    Returns:
        What is wrong with it; the tree is then unchanged.
    """
    path, sign, text = override.partition("=")
    names = path.strip().split(".")
    if not sign or not all(names):
        return [Problem(f"expected KEY.KEY=VALUE, found {override!r}", file=OVERRIDE)]
    document = parse_yaml(text if text.strip() else "null", OVERRIDE, environment)
    if document.problems:
        return [
            Problem(problem.message, file=OVERRIDE, field=path) for problem in document.problems
        ]
    try:
        steps = _put(tree, names, document.value)
    except ValueError as error:
        return [Problem(str(error), file=OVERRIDE, field=path)]
    places.overridden.add(steps)
    return []


def steps_to(tree: Any, path: str) -> Steps:
    """The steps of ``key.NAME.key`` through a tree whose mappings are all there.

    Args:
        tree: the recipe's root mapping, nothing in a short form.
        path: as in ``--set``: in a list a step is an index, or the ``name`` of an item.

    Raises:
        ValueError: a step that cannot be taken.
    """
    at, steps = tree, ()
    for name in path.split("."):
        step = _step(at, name, steps)
        if isinstance(at, Mapping) and step not in at:
            raise ValueError(f"unknown key; {hint(step, map(str, at))}")
        at, steps = at[step], (*steps, step)
    return steps


def _put(tree: Any, names: list[str], value: Any) -> Steps:
    """Set a value.

    Raises:
        ValueError: a step that cannot be taken.
    """
    at, steps = tree, ()
    for name in names[:-1]:
        step = _step(at, name, steps)
        if isinstance(at, dict):
            at[step] = _opened(str(step), at.get(step))
        at, steps = at[step], (*steps, step)
    last = _step(at, names[-1], steps)
    at[last] = value
    return (*steps, last)


def _opened(name: str, value: Any) -> Any:
    """A value that keys can be set in: nothing is an empty mapping, a bare string a short form."""
    if isinstance(value, str):
        return {_SHORT.get(name, "kind"): value}
    return {} if value is None else value


def _step(at: Any, name: str, steps: Steps) -> Any:
    if isinstance(at, dict):
        return name
    if not isinstance(at, list):
        raise ValueError(f"{dotted(steps)} is {at!r}: it has no {name!r} to set")
    for index, item in enumerate(at):
        if isinstance(item, Mapping) and item.get("name") == name:
            return index
    if name.isdecimal() and int(name) < len(at):
        return int(name)
    named = [str(item["name"]) for item in at if isinstance(item, Mapping) and "name" in item]
    known = ", ".join(named) or f"0 to {len(at) - 1}"
    raise ValueError(f"{dotted(steps)} has no item {name!r}; it has {known or 'none'}")
