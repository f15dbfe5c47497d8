"""Which of a teacher's layers a word in ``student.init.layers`` means, as far as files tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kd2edge.errors import UsageError
from kd2edge.json_text import json_value
from kd2edge.nets.chosen_layers import chosen_layers
from kd2edge.nets.source import resolve_source
from kd2edge.recipe.schema import Recipe, TransformersModel
from kd2edge.recipe.schema.models import WeightsOfHub

__all__ = ["taken_layers"]

#: What ``transformers`` calls the number of layers.
_KEYS = ("num_hidden_layers", "n_layers")


def taken_layers(recipe: Recipe) -> tuple[int, ...] | None:
    """The layers that ``first``, ``last`` or ``strided`` mean; nothing is built or fetched.

    None: there is no such word, or how many layers one of the two nets has is not stated, neither
    in its ``config`` nor beside weights on this machine.  `kd2edge check` builds them and knows.
    """
    init = recipe.student.started_by
    if init is None or not isinstance(init.layers, str):
        return None
    teacher = next((one for one in recipe.teachers if one.name == init.teacher), None)
    theirs, ours = _depth(teacher and teacher.model), _depth(recipe.student.model)
    if theirs is None or ours is None or ours > theirs:
        return None
    return tuple(chosen_layers(init.layers, ours, theirs))


def _depth(model: Any) -> int | None:
    if not isinstance(model, TransformersModel):
        return None
    for config in (model.config, _stored(model)):
        for key in _KEYS:
            if isinstance(config.get(key), int):
                return config[key]
    return None


def _stored(model: TransformersModel) -> dict[str, Any]:
    """The configuration beside a model's weights; nothing where they would have to be fetched."""
    if model.source is None or isinstance(model.source, WeightsOfHub):
        return {}
    try:
        folder = resolve_source(model.source.model_dump(mode="json", exclude_none=True))
        found = json_value(Path(folder, "config.json").read_bytes())
    except (UsageError, OSError, ValueError):
        return {}  # that is for check to say
    return found if isinstance(found, dict) else {}
