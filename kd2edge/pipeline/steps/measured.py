"""What a model reaches on one task of one split: metrics with bounds, classes, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics import drop, evaluate
from kd2edge.metrics.calibration import reliability
from kd2edge.metrics.errors import errors
from kd2edge.metrics.groups import GroupF1, class_groups, group_scores, is_long_tailed
from kd2edge.metrics.items import cut_off
from kd2edge.metrics.per_class import ClassScore, confusion, per_class
from kd2edge.metrics.whole_rows import WHOLE, labelling, whole_decoded, whole_truth
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth

__all__ = ["Inputs", "classes_of", "gain_over", "measured", "metrics_of", "whole_rows"]

#: Confusion matrices of more classes are left out of the report.
_CONFUSED = 200

#: Hashes of the rows' inputs.
Inputs: TypeAlias = "npt.NDArray[np.uint64]"


def metrics_of(
    spec: TaskSpec, truth: Truth, decoded: Decoded, inputs: Inputs
) -> dict[str, dict[str, Any]]:
    """Every metric of the task, with bounds.

    Args:
        spec: the task.
        truth: what the data says of the rows.
        decoded: what the model says of them.
        inputs: hashes of the rows' inputs.
    """
    return {name: _estimate(spec, truth, decoded, name, inputs) for name in spec.metrics}


def measured(
    spec: TaskSpec, truth: Truth, decoded: Decoded, support: Sequence[int], inputs: Inputs
) -> dict[str, Any]:
    """All that the report says of a model on a task.

    Args:
        spec: the task.
        truth: what the data says of the rows.
        decoded: what the model says of them.
        support: training rows of each class.
        inputs: hashes of the rows' inputs.
    """
    found: dict[str, Any] = {
        "metrics": metrics_of(spec, truth, decoded, inputs),
        "cut_words": cut_off(spec, truth, decoded),
    }
    sections = task_kind(spec.kind).sections
    if "classes" in sections:
        found |= classes_of(spec, truth, decoded, support, inputs)
    if "reliability" in sections:
        found["reliability"] = _reliability(spec, truth, decoded)
    if "errors" in sections:
        found["errors"] = _errors(spec, truth, decoded)
    if "confusion" in sections and len(spec.labels) <= _CONFUSED:
        found["confusion"] = confusion(spec, truth, decoded).tolist()
    return found


def classes_of(
    spec: TaskSpec, truth: Truth, decoded: Decoded, support: Sequence[int], inputs: Inputs
) -> dict[str, Any]:
    """What is reached of every class, and of a long tail's frequent and rare ones together.

    Args:
        spec: the task.
        truth: what the data says of the rows.
        decoded: what the model says of them.
        support: training rows of each class.
        inputs: hashes of the rows' inputs.
    """
    groups = class_groups(support)
    scores = per_class(spec, truth, decoded)
    return {
        "per_class": [
            _class(score, count, group)
            for score, count, group in zip(scores, support, groups, strict=True)
        ],
        "groups": {
            one.group: {**asdict(one), **_bounds(spec, truth, decoded, members, inputs)}
            for one in (group_scores(scores, groups) if is_long_tailed(support) else ())
            if (members := _members(scores, groups, one.group))
        },
    }


def _members(scores: Sequence[ClassScore], groups: Sequence[str], name: str) -> list[int]:
    """The classes of a group that occur in the split."""
    both = enumerate(zip(scores, groups, strict=True))
    return [at for at, (score, group) in both if group == name and score.support]


def _bounds(
    spec: TaskSpec, truth: Truth, decoded: Decoded, members: Sequence[int], inputs: Inputs
) -> dict[str, float]:
    """Of the mean F1 of some classes."""
    found = evaluate(spec, truth, decoded, GroupF1(members), inputs=inputs)
    return {"low": found.low, "high": found.high, "confidence": found.confidence}


def _reliability(spec: TaskSpec, truth: Truth, decoded: Decoded) -> dict[str, Any] | None:
    try:
        return asdict(reliability(spec, truth, decoded))
    except DataError:  # every labelled word was cut off, or has no piece: all are wrong
        return None


def _errors(spec: TaskSpec, truth: Truth, decoded: Decoded) -> dict[str, Any] | None:
    try:
        return asdict(errors(spec, truth, decoded))
    except DataError:  # no row of the split has a label
        return None


def _estimate(
    spec: TaskSpec, truth: Truth, decoded: Decoded, metric: str, inputs: Inputs
) -> dict[str, Any]:
    try:
        return asdict(evaluate(spec, truth, decoded, metric, inputs=inputs))
    except DataError as error:
        # E.g. AUC where all rows have one label.  It must not cost a finished training its report.
        return {"value": None, "low": None, "high": None, "reason": str(error)}


def gain_over(
    spec: TaskSpec, truth: Truth, student: Decoded, baseline: Decoded, inputs: Inputs
) -> dict[str, float | None]:
    """What the teacher gave: the student's leading metric less the baseline's, rows paired.

    Args:
        spec: the task.
        truth: what the data says of the rows.
        student: what the student says of them.
        baseline: what the same student says that nobody taught.
        inputs: hashes of the rows' inputs.
    """
    try:
        lost = drop(spec, truth, student, baseline, spec.metric, inputs=inputs)
    except DataError:
        return {"value": None, "low": None, "high": None}
    return {"value": lost.value, "low": lost.low, "high": lost.high}


def whole_rows(
    specs: Mapping[TaskName, TaskSpec],
    truths: Mapping[str, Truth],
    decoded: Mapping[str, Mapping[str, Decoded]],
    inputs: Inputs,
) -> dict[str, Any]:
    """On which share of the rows every task is right: of each model that answers all of them.

    Args:
        specs: the tasks.
        truths: task -> what the data says of the rows.
        decoded: task -> model -> what it says of them.
        inputs: hashes of the rows' inputs.
    """
    tasks = labelling(specs.values())
    truth = whole_truth(tasks, truths)
    if truth is None:
        return {}
    names = [str(spec.name) for spec in tasks]
    answering = [model for model in decoded[names[0]] if all(model in decoded[n] for n in names)]
    whole = {
        model: whole_decoded(tasks, truths, {name: decoded[name][model] for name in names})
        for model in answering
    }
    models = {
        model: _estimate(WHOLE, truth, one, WHOLE.metric, inputs) for model, one in whole.items()
    }
    found: dict[str, Any] = {"tasks": names, "models": models}
    if {"baseline", "student"} <= whole.keys():
        found["gain"] = gain_over(WHOLE, truth, whole["student"], whole["baseline"], inputs)
    return {"whole_rows": found}


def _class(score: ClassScore, train_support: int, group: str) -> dict[str, Any]:
    return {**asdict(score), "train_support": int(train_support), "group": group}
