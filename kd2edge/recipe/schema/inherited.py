"""What a phase or a taught teacher does not state, from the parts that the recipe has for all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Part -> its keys that come from the recipe's part of that name; None: all of them.
_Parts = Mapping[str, frozenset[str] | None]
_OF_PHASE: _Parts = {"train": None, "distill": None}
#: The schema reads this file: the fields of its ``Teaching``, which a test compares.
_OF_TEACHER: _Parts = {"distill": frozenset({"alpha", "temperature", "logits", "join"})}


def inheriting(phase: Any, recipe: Mapping[str, Any]) -> Any:
    """A phase with what it does not state, from the recipe's own parts; both as plain values.

    What is of a wrong type stays for the schema to refuse.
    """
    return _filled(phase, recipe, _OF_PHASE) if isinstance(phase, Mapping) else phase


def inheriting_teacher(teacher: Any, recipe: Mapping[str, Any]) -> Any:
    """Likewise a teacher; one that nobody teaches inherits nothing."""
    if not isinstance(teacher, Mapping) or not teacher.get("taught_by"):
        return teacher
    own = {"distill": {}} if teacher.get("distill") is None else {}
    return _filled({**teacher, **own}, recipe, _OF_TEACHER)


def stated(phase: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A phase without what is as in the recipe's own parts: :func:`inheriting` puts it back.

    A value that is put into the recipe later, as a study puts many, then reaches its phases, too.
    """
    return _stated(phase, recipe, _OF_PHASE)


def stated_by_teacher(teacher: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Likewise a teacher."""
    return _stated(teacher, recipe, _OF_TEACHER) if teacher["taught_by"] else dict(teacher)


def is_inherited(steps: tuple[str | int, ...], recipe: Mapping[str, Any]) -> bool:
    """Whether what stands at a place of a phase or teacher is what the recipe says for all.

    Args:
        steps: the way to it.
        recipe: as it was written.
    """
    if len(steps) < 4 or steps[0] not in ("phases", "teachers"):
        return False
    if steps[2] not in (_OF_PHASE if steps[0] == "phases" else _OF_TEACHER):
        return False
    owners = recipe.get(steps[0])
    owner = owners[steps[1]] if isinstance(owners, list) and isinstance(steps[1], int) else None
    own = (owner.get(steps[2]) or {}) if isinstance(owner, Mapping) else None
    return isinstance(own, Mapping) and steps[3] not in own


def _filled(owner: Mapping[str, Any], recipe: Mapping[str, Any], parts: _Parts) -> dict[str, Any]:
    full = dict(owner)
    for part, keys in parts.items():
        own, whole = owner.get(part, {}), recipe.get(part, {})
        if isinstance(own, Mapping) and isinstance(whole, Mapping):
            shared = {key: one for key, one in whole.items() if keys is None or key in keys}
            full[part] = {**shared, **own}
    return full


def _stated(owner: Mapping[str, Any], recipe: Mapping[str, Any], parts: _Parts) -> dict[str, Any]:
    own = {
        part: {key: one for key, one in owner[part].items() if recipe[part].get(key) != one}
        for part in parts
    }
    rest = {key: value for key, value in owner.items() if key not in parts}
    return rest | {part: keys for part, keys in own.items() if keys}
