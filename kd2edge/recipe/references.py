"""Names that one part of a recipe uses and another part must define.

They are looked up in the plain values, so that they are checked even where the schema found faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kd2edge.errors import Problem
from kd2edge.recipe.hints import hint
from kd2edge.recipe.places import Places, Steps

_TEACHING = (
    ("distill.alpha.@", "task"),
    ("distill.temperature.@", "task"),
    ("distill.logits.@", "task"),
    ("distill.join.@", "task"),
)
_DISTILL = (
    *_TEACHING,
    ("distill.sample_weight.@", "task"),
    ("distill.long_tail.@", "task"),
    ("distill.features.*.teacher", "teacher"),
    ("distill.feed.*.teacher", "teacher"),
    ("distill.balance.weights.@", "task"),
)

#: (where names are used, what they must be); ``*`` is every item, ``@`` every key of a mapping.
REFERENCES: tuple[tuple[str, str], ...] = (
    ("data.sources.*.tasks", "task"),
    ("data.sources.*.tasks.*", "task"),
    ("inputs.*.tokenizer.from", "teacher"),
    ("tasks.*.input", "input"),
    ("teachers.*.tasks", "task"),
    ("teachers.*.tasks.*", "task"),
    ("teachers.*.taught_by", "teacher"),
    ("teachers.*.taught_by.*", "teacher"),
    *((f"teachers.*.{pattern}", what) for pattern, what in _TEACHING),
    ("teachers.*.inputs.*.tokenizer.from", "teacher"),
    ("student.init.from", "teacher"),
    ("student.taught_by", "teacher"),
    ("student.taught_by.*", "teacher"),
    *_DISTILL,
    *((f"phases.*.{pattern}", what) for pattern, what in _DISTILL),
    ("phases.*.rows.*", "source"),
    ("validate.max_drop.@", "task"),
    ("validate.max_drop_class.@", "task"),
)


def reference_problems(recipe: Mapping[str, Any], places: Places) -> list[Problem]:
    """Every name that is used, but not defined; and every map by task that lacks one."""
    known = {
        "task": _keys(recipe.get("tasks")),
        "input": _keys(recipe.get("inputs")),
        "teacher": _names(recipe.get("teachers")),
        "source": _sources(recipe.get("data")),
    }
    problems: list[Problem] = []
    for pattern, what in REFERENCES:
        by_key = pattern.endswith("@")
        for steps, name in _used(recipe, tuple(pattern.split(".")), ()):
            if isinstance(name, str) and name not in known[what]:
                message = f"no {what} {name!r}; {hint(name, known[what])}"
                problems.append(places.problem(steps, message, key=by_key))
        if by_key:
            problems += _lacking(recipe, pattern, known[what], places)
    return problems


def _keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, Mapping) else []


def _names(value: Any) -> list[str]:
    items = value if isinstance(value, list) else []
    return [str(item["name"]) for item in items if isinstance(item, Mapping) and "name" in item]


def _sources(data: Any) -> list[str]:
    groups = [data.get(key) for key in ("sources", "unlabelled")] if _is_map(data) else []
    return [name for group in groups for name in _names(group)]


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)


def _used(value: Any, pattern: tuple[str, ...], steps: Steps) -> Iterator[tuple[Steps, Any]]:
    """Every name that a pattern leads to."""
    if not pattern:
        yield steps, value
    elif pattern[0] == "@":
        # A mapping with `kind` is one method for all tasks.
        if isinstance(value, Mapping) and "kind" not in value:
            yield from (((*steps, key), key) for key in value)
    elif pattern[0] == "*":
        for step, item in _items(value):
            yield from _used(item, pattern[1:], (*steps, step))
    elif isinstance(value, Mapping) and pattern[0] in value:
        yield from _used(value[pattern[0]], pattern[1:], (*steps, pattern[0]))


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _lacking(
    recipe: Mapping[str, Any], pattern: str, tasks: list[str], places: Places
) -> Iterator[Problem]:
    """A map by task must name every task: half a map would hide a default.

    That of a teacher must name those that it teaches.
    """
    for steps, value in _used(recipe, tuple(pattern.split(".")[:-1]), ()):
        if isinstance(value, Mapping) and "kind" not in value:
            missing = [task for task in _learned(recipe, steps, tasks) if task not in value]
            if missing:
                yield places.problem(steps, f"a map by task names every task; no {missing[0]!r}")


def _learned(recipe: Mapping[str, Any], steps: Steps, tasks: list[str]) -> list[str]:
    """The tasks of whom a place belongs to: those that a teacher states, or all."""
    if steps[0] != "teachers":
        return tasks
    own = recipe["teachers"][steps[1]].get("tasks")
    stated = [own] if isinstance(own, str) else own if isinstance(own, list) else tasks
    return [task for task in tasks if task in stated]
