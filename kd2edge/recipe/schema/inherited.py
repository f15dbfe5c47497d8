"""What a phase does not state, from the parts of the recipe that all phases share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Parts of a phase whose keys come from the recipe's part of that name.
_INHERITED = ("train", "distill")


def inheriting(phase: Any, recipe: Mapping[str, Any]) -> Any:
    """A phase with what it does not state, from the recipe's own parts; both as plain values.

    What is of a wrong type stays for the schema to refuse.
    """
    if not isinstance(phase, Mapping):
        return phase
    full = dict(phase)
    for key in _INHERITED:
        own, whole = phase.get(key, {}), recipe.get(key, {})
        if isinstance(own, Mapping) and isinstance(whole, Mapping):
            full[key] = {**whole, **own}
    return full


def stated(phase: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A phase without what is as in the recipe's own parts: :func:`inheriting` puts it back.

    A value that is put into the recipe later, as a study puts many, then reaches its phases, too.
    """
    parts = {
        key: {name: one for name, one in phase[key].items() if recipe[key].get(name) != one}
        for key in _INHERITED
    }
    rest = {key: value for key, value in phase.items() if key not in _INHERITED}
    return rest | {key: part for key, part in parts.items() if part}


def is_inherited(steps: tuple[str | int, ...], recipe: Mapping[str, Any]) -> bool:
    """Whether what stands at a place of a phase is what the recipe says for all of them.

    Args:
        steps: the way to it.
        recipe: as it was written.
    """
    if steps[:1] != ("phases",) or len(steps) < 4 or steps[2] not in _INHERITED:
        return False
    phases = recipe.get("phases")
    phase = phases[steps[1]] if isinstance(phases, list) and isinstance(steps[1], int) else None
    own = phase.get(steps[2], {}) if isinstance(phase, Mapping) else None
    return isinstance(own, Mapping) and steps[3] not in own
