"""pydantic's errors as problems: place, what was expected, what was found, what was meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from kd2edge.errors import Problem
from kd2edge.recipe.hints import hint, shown
from kd2edge.recipe.places import Places, Steps
from kd2edge.recipe.schema.choices import ByKey, ByKind, OneOrMany, OrMethod, is_tag, members
from kd2edge.recipe.schema.recipe import Recipe
from kd2edge.wording import meant

_EXPECTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_type": "a whole number",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "string_type": "a text",
    "tuple_type": "a list",
}

_BOUNDS: Mapping[str, str] = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} items",
    "too_short": "at least {min_length} items",
}

_NAME = "a name (letters, digits, _ and -, a letter first)"


def problem_of(error: ErrorDetails, places: Places) -> Problem:
    """One of pydantic's errors as a problem of the recipe's file."""
    kind, location = error["type"], error["loc"]
    steps = steps_of(location, kind)
    if kind == "extra_forbidden":
        elsewhere = _elsewhere(location)
        message = f"unknown key; {elsewhere or hint(steps[-1], _keys_beside(location))}"
        return places.problem(steps, message, key=True)
    if steps == ("version",) and kind == "literal_error" and _is_newer(error["input"]):
        message = f"written for a newer kd2edge (version {error['input']}): install that"
        return places.problem(steps, message)
    if kind == "missing":
        return places.problem(steps[:-1], f"the key {steps[-1]!r} is missing")
    if location and location[-1] == "[key]":
        found = shown(steps[-1])
        return places.problem(steps, f"expected {_NAME}, found {found}", key=True)
    context: Any = error.get("ctx", {})
    if "key" in context and (*steps, context["key"]) in places.values:
        steps = (*steps, context["key"])
    return places.problem(steps, _message(kind, error["input"], context, error["msg"]))


def steps_of(location: Sequence[str | int], kind: str = "") -> Steps:
    """The steps of an error's location, without the marks of chosen members."""
    last = (
        len(location) - 1 if kind == "extra_forbidden" else -1
    )  # an unknown key may look like one
    kept = [s for at, s in enumerate(location) if at == last or not is_tag(s)]
    return tuple(kept[:-1] if kept and kept[-1] == "[key]" else kept)


def _message(kind: str, value: Any, context: Any, fallback: str) -> str:
    if kind in _EXPECTED:
        quotes = "; write it in quotes" if kind == "string_type" and _is_plain(value) else ""
        yes_no = "; write true or false" if kind == "bool_type" and isinstance(value, str) else ""
        return f"expected {_EXPECTED[kind]}, found {shown(value)}{quotes}{yes_no}"
    if kind in _BOUNDS:
        found = f"{len(value)}" if kind.startswith("too_") else shown(value)
        limits = {name: _short(limit) for name, limit in context.items()}
        return f"expected {_BOUNDS[kind].format(**limits)}, found {found}"
    if kind in {"unknown_kind", "unknown_word"}:
        return _unknown(context)
    if kind == "no_form":
        return f"expected one of the keys {', '.join(context['known'])}"
    if kind == "literal_error":
        known = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        return f"expected {context['expected']}, found {shown(value)}{_meant(value, known)}"
    if kind == "string_pattern_mismatch":
        return _mismatch(value, context["pattern"])
    return fallback


def _short(limit: Any) -> Any:
    return f"{limit:g}" if isinstance(limit, float) else limit


def is_echo(error: ErrorDetails) -> bool:
    """Whether an error only says that a list is too short because its items were refused."""
    least = error.get("ctx", {}).get("min_length", 0)
    return error["type"] == "too_short" and len(error["input"]) >= least


def _is_newer(version: Any) -> bool:
    return isinstance(version, int) and version > 1


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float))


def _unknown(context: Mapping[str, Any]) -> str:
    key, known = context["key"], context["known"]
    if context.get("missing"):
        return f"the key {key!r} is missing; {hint('', known)}"
    return f"no {key} {shown(context['found'])}; {hint(context['found'], known)}"


def _meant(value: Any, known: list[str]) -> str:
    return meant(value, known, before="; ") if isinstance(value, str) else ""


def _mismatch(value: Any, pattern: str) -> str:
    if "0-9a-f" in pattern:
        return f"expected a commit of 40 hexadecimal digits, found {shown(value)}"
    return f"expected {_NAME}, found {shown(value)}"


def _keys_beside(location: Sequence[str | int]) -> list[str]:
    """The keys that the part at an unknown key's location has."""
    return list(_fields(_type_at(location[:-1])))


def _type_at(location: Sequence[str | int]) -> Any:
    """The type of what stands at a location, nothing around it."""
    found: Any = Recipe
    metadata: Sequence[Any] = ()
    for step in location:
        found, metadata = _below(found, metadata, step)
    return _plain(found)


def _fields(part: Any) -> dict[str, Any]:
    """The keys of a part with their types; none of what is no part."""
    if not (isinstance(part, type) and issubclass(part, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in part.model_fields.items()}


def _elsewhere(location: Sequence[str | int]) -> str:
    """Where an unknown key is known: in a part of this one, or beside it; "" for neither.

    ``delimiter`` belongs under a source's ``options``, and its ``scheme`` does not.
    """
    *above, key = location
    below = [
        name
        for name, annotation in _fields(_type_at(above)).items()
        if key in _fields(_plain(annotation))
    ]
    if len(below) == 1:
        return f"it belongs under {below[0]!r}"
    while above and is_tag(above[-1]):
        above.pop()
    if not above or isinstance(above[-1], int):  # an item of a list: beside it stand others
        return ""
    *around, own = above
    beside = _fields(_type_at(around))
    return f"it belongs beside {own!r}, not under it" if own in beside and key in beside else ""


def _below(annotation: Any, metadata: Sequence[Any], step: str | int) -> tuple[Any, Sequence[Any]]:
    """The type one step of an error's location below another, and what is annotated to it."""
    annotation, metadata = _unwrapped(annotation, metadata)
    if is_tag(step):
        marks = (ByKind, ByKey, OneOrMany, OrMethod)
        choice = next(one for one in metadata if isinstance(one, marks))
        return choice.chosen(annotation, str(step)), ()
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        field = next(field for name, field in fields if (field.alias or name) == step)
        return field.annotation, field.metadata
    items = get_args(annotation)  # tuple[Item, ...] or dict[Name, Item]
    return items[1] if get_origin(annotation) is dict else items[0], ()


def _unwrapped(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Without `Annotated` and `| None`, their metadata gathered."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation, metadata = annotation.__origin__, [*metadata, *annotation.__metadata__]
        elif NoneType in members(annotation):
            annotation = next(one for one in members(annotation) if one is not NoneType)
        else:
            return annotation, metadata


def _plain(annotation: Any) -> type[BaseModel]:
    return _unwrapped(annotation, ())[0]
