"""How each model of a run decides: the recipe's tasks, with what was fitted to validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy.typing as npt

from kd2edge.data import EncodedSplit
from kd2edge.distill import fitted_tasks
from kd2edge.nets import Net
from kd2edge.pipeline.steps.training import NetRecord
from kd2edge.pipeline.steps.work import Work
from kd2edge.ragged import Ragged
from kd2edge.tasks.cut import is_cut_fitted
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import arrays_of
from kd2edge.tasks.reject import LIMITS, rejection_of
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher import TeacherCache

__all__ = ["Logits", "ModelResult", "Specs", "decided_by", "thresholds_of"]

Logits: TypeAlias = "npt.NDArray[Any] | Ragged"
#: Model (``teacher``, ``baseline``, ``student``, ``reference``) -> task -> how it decides.
Specs: TypeAlias = Mapping[str, Mapping[TaskName, TaskSpec]]


@dataclass(frozen=True, slots=True)
class ModelResult:
    """A model of the run: its record, and how to get at what it says.

    Args:
        record: of its training.
        net: the model; None: a teacher, which was asked before.
        caches: split -> what it said.
        lacking: (split, input) -> what it said of the rows without that input.
        said: split -> its logits for every row, of a cheap reference.
        kind: what a cheap reference is, for people.
        phases: name -> record of each phase that its record is the sum of; "" of the only one.
    """

    record: NetRecord
    net: Net | None = None
    caches: Mapping[str, TeacherCache] = field(default_factory=dict)
    lacking: Mapping[tuple[str, str], TeacherCache] = field(default_factory=dict)
    said: Mapping[str, Mapping[str, Logits]] = field(default_factory=dict)
    kind: str = ""
    phases: Mapping[str, NetRecord] = field(default_factory=dict)


def decided_by(
    work: Work,
    validation: EncodedSplit,
    results: Mapping[str, ModelResult],
    taught: Mapping[str, Logits],
) -> dict[str, dict[TaskName, TaskSpec]]:
    """Every model with settings of its own: a threshold says nothing of another model's scores.

    A net has its settings from its training; teachers, which may have come from elsewhere, and
    cheap references are fitted here to what they said of the same rows.

    Args:
        work: the run.
        validation: the rows that they are fitted to.
        results: every model of the run.
        taught: array -> what the teachers say of these rows, together where several know a task.
    """
    specs = {"teacher": _fitted(work, validation, taught)}
    for model, one in results.items():
        if one.said:
            specs[model] = _fitted(work, validation, one.said["validation"])
            continue
        if one.net is None:
            continue
        own = {task.name: task.decode for task in one.net.tasks}
        specs[model] = {
            name: replace(spec, decode=own[name]) for name, spec in work.data.tasks.items()
        }
    return specs


def _fitted(
    work: Work, validation: EncodedSplit, said: Mapping[str, Logits]
) -> dict[TaskName, TaskSpec]:
    """The tasks that somebody answers, with settings fitted to what was said."""
    told = [task for task in work.tasks if arrays_of([task]).keys() <= said.keys()]
    return {one.name: one for one in fitted_tasks(told, validation, said)}


def thresholds_of(task: TaskName, specs: Specs) -> dict[str, Any]:
    """What a report says of where each model cuts its scores, of tasks that this is fitted for.

    Thresholds are those of the decode setting: of the energy, above which a row is rejected.
    """
    spec = specs["student"][task]
    if (rejection := rejection_of(spec)) is not None:
        return {"reject": {"label": spec.labels[rejection.label], **_scored(task, specs)}}
    if is_cut_fitted(spec.decode):
        key = task_kind(spec.kind).cut
        return {"cut": {"at": key, "by": spec.metric, "values": _each(task, key, specs)}}
    return {}


def _scored(task: TaskName, specs: Specs) -> dict[str, Any]:
    """Model -> what it scores rows by, and model -> its threshold."""
    own = {model: tasks[task] for model, tasks in specs.items() if task in tasks}
    found = {model: one for model, spec in own.items() if (one := rejection_of(spec)) is not None}
    return {
        "by": {model: one.by for model, one in found.items()},
        "thresholds": {model: own[model].decode[LIMITS[one.by]] for model, one in found.items()},
    }


def _each(task: TaskName, key: str, specs: Specs) -> dict[str, float]:
    return {model: own[task].decode[key] for model, own in specs.items() if task in own}
