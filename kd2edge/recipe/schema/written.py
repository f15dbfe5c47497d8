"""A part of a recipe as somebody would write it: every key, what it is first, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kd2edge.recipe.schema.base import Part

#: What tells the member of a union.
_TOLD_BY = ("kind", "family")


def written(value: Any) -> Any:
    """Plain values that the schema reads back as ``value``.

    The kind of a method stands first, and alone where it has no options: ``loss: cosine``.  Only
    parts are written so: what is free in a recipe (``config``, ``options``) may have a key of that
    name, too.

    Args:
        value: a part, or what stands in one.
    """
    if isinstance(value, Part):
        return _part(value)
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _part(part: Part) -> Any:
    keys = {name: field.alias or name for name, field in type(part).model_fields.items()}
    names = sorted(keys, key=lambda name: name not in _TOLD_BY)  # stable: the rest as it stands
    found = {keys[name]: written(getattr(part, name)) for name in names}
    if len(found) == 1 and names[0] in _TOLD_BY:
        return found[keys[names[0]]]
    return found
