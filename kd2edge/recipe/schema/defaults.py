"""Defaults that depend on another part of the recipe: filled in before the schema reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.inputs.kinds import INPUT_KINDS
from kd2edge.recipe.schema.inherited import inheriting, inheriting_teacher
from kd2edge.tasks.kinds import TASK_KINDS

#: Keys that are filled in here where a recipe lacks them.
FILLED = frozenset({"column", "columns", "input", "tasks"})

#: Kinds of inputs that have words.
WORDS = frozenset(name for name, kind in INPUT_KINDS.items() if kind.words)

#: Kinds of tasks that label words.
LABEL_WORDS = frozenset(name for name, kind in TASK_KINDS.items() if kind.per_word)


def completed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with these defaults; parts of a wrong type stay for the schema to refuse."""
    full = dict(recipe)
    tasks, inputs = full.get("tasks"), full.get("inputs")
    if isinstance(inputs, Mapping):
        full["inputs"] = _inputs(inputs)
    if isinstance(tasks, Mapping):
        full["tasks"] = {
            name: _task(name, task, inputs if isinstance(inputs, Mapping) else {})
            for name, task in tasks.items()
        }
    if isinstance(full.get("student"), Mapping):
        full["student"] = {**full["student"], **_joint(full["student"])}
    if isinstance(full.get("teachers"), (list, tuple)):
        names = list(tasks) if isinstance(tasks, Mapping) else []
        full["teachers"] = [
            inheriting_teacher(_teacher(teacher, names), full) for teacher in full["teachers"]
        ]
    full = _with_peers(full)
    if isinstance(full.get("phases"), (list, tuple)):
        full["phases"] = [inheriting(_with_peers(phase), full) for phase in full["phases"]]
    return full


def _inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"columns": [name], **spec} if _has_one_column(spec) else spec
        for name, spec in inputs.items()
    }


def _has_one_column(spec: Any) -> bool:
    if not isinstance(spec, Mapping):
        return False
    kind = spec.get("kind")
    known = INPUT_KINDS.get(kind) if isinstance(kind, str) else None
    return known is None or known.columns == 1


def _task(name: str, task: Any, inputs: Mapping[str, Any]) -> Any:
    long = {"kind": task} if isinstance(task, str) else task
    if not isinstance(long, Mapping):
        return task
    full = {"column": name, **long}
    kind = full.get("kind")
    if isinstance(kind, str) and kind in LABEL_WORDS and "input" not in full:
        worded = [
            key
            for key, spec in inputs.items()
            if isinstance(spec, Mapping) and spec.get("kind") in WORDS
        ]
        full |= {"input": worded[0]} if len(worded) == 1 else {}
    return full


def _joint(owner: Mapping[str, Any]) -> dict[str, Any]:
    """A model with encoders is a joint one."""
    model = owner.get("model")
    if isinstance(model, Mapping) and "encoders" in model and "family" not in model:
        return {"model": {"family": "joint", **model}}
    return {}


def _with_peers(owner: Any) -> Any:
    """A recipe or phase whose peers of several inputs say that they are joint."""
    distill = _below(owner, "distill")
    mutual = _below(distill, "mutual")
    peers = mutual.get("peers")
    if not isinstance(peers, (list, tuple)):
        return owner
    full = [{**one, **_joint(one)} if isinstance(one, Mapping) else one for one in peers]
    return {**owner, "distill": {**distill, "mutual": {**mutual, "peers": full}}}


def _below(owner: Any, key: str) -> Mapping[str, Any]:
    """The mapping under a key; an empty one where there is none."""
    found = owner.get(key) if isinstance(owner, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _is_net(model: Any) -> bool:
    """Whether a model is trained in epochs."""
    family = model.get("family") if isinstance(model, Mapping) else model
    return family not in ("boosting", "onnx", "python", "sklearn")


def _teacher(teacher: Any, tasks: list[str]) -> Any:
    if not isinstance(teacher, Mapping):
        return teacher
    full = {**teacher, **_joint(teacher)}
    if full.get("tasks") is None:
        full["tasks"] = tasks
    if full.get("train") is None and full.get("checkpoint") is None and _is_net(full.get("model")):
        full["train"] = {}
    if isinstance(full.get("inputs"), Mapping):
        full["inputs"] = _inputs(full["inputs"])
    return full
