"""The teachers of one task as one: how they are weighed, and what they say of a split together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data import EncodedSplit
from kd2edge.distill import fitted_tasks
from kd2edge.metrics import measure, metric
from kd2edge.metrics.kinds import goodness
from kd2edge.pipeline.reading.settings import joins
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.ragged import Ragged
from kd2edge.recipe import Recipe
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import logits_of, outputs_of
from kd2edge.tasks.spec import Output, TaskName, TaskSpec
from kd2edge.teacher import TeacherCache
from kd2edge.teacher.joins import Ensemble

__all__ = ["ensembles_of", "lacks_of", "said_of_task", "taught_by"]

#: An array of a head for every row of a split, fp32.
Array = npt.NDArray[np.float32] | Ragged
#: Items that are joined together.
_CHUNK = 4096
#: What a teacher without any error lacks where an error is in a unit of its own.
_TINY = 1e-12


def ensembles_of(
    work: Work, recipe: Recipe, learner: Learner, validation: Mapping[str, TeacherCache]
) -> dict[TaskName, Ensemble]:
    """How the teachers of each task that has several are joined.

    Args:
        work: the run.
        recipe: its recipe, with who is taught in the student's place.
        learner: what that one reads, and the rows as it reads them.
        validation: teacher -> what it says of the validation rows.

    Raises:
        DataError: no validation row has the labels that a metric needs.
    """
    found: dict[TaskName, Ensemble] = {}
    for task, join in joins(recipe, [TaskName(name) for name in recipe.tasks]).items():
        spec, split = work.data.tasks[task], learner.splits["validation"]
        lacks: dict[str, float] = {}
        if join.by_skill:
            asked = {one.name: validation[one.name] for one in recipe.teachers_of(task)}
            rows = work.data.checks["validation"].labelled_rows([task])
            lacks = {name: _lack(spec, split, {name: one}, rows) for name, one in asked.items()}
        found[task] = Ensemble(join, lacks)
    return found


def lacks_of(
    work: Work,
    recipe: Recipe,
    learner: Learner,
    validation: Mapping[str, TeacherCache],
    ensembles: Mapping[TaskName, Ensemble],
    tasks: Iterable[TaskName],
) -> dict[TaskName, float]:
    """What the teachers of each task, together, lack of a perfect one on the validation rows.

    Args:
        work: the run.
        recipe: its recipe, with who is taught in the student's place.
        learner: what that one reads, and the rows as it reads them.
        validation: teacher -> what it says of the validation rows.
        ensembles: how the teachers of a task that has several are joined.
        tasks: some that somebody teaches.

    Raises:
        DataError: no validation row has the labels that a metric needs.
    """
    split, check = learner.splits["validation"], work.data.checks["validation"]
    found: dict[TaskName, float] = {}
    for task in tasks:
        asked = {one.name: validation[one.name] for one in recipe.teachers_of(task)}
        spec, rows = work.data.tasks[task], check.labelled_rows([task])
        found[task] = _lack(spec, split, asked, rows, ensembles.get(task))
    return found


def taught_by(
    work: Work,
    asked: Mapping[str, TeacherCache],
    ensembles: Mapping[TaskName, Ensemble],
) -> dict[str, Array]:
    """Array -> what the student's teachers say of a split; of a task that has several, together.

    Args:
        work: the run; a task that nobody teaches is left out.
        asked: teacher -> what it says of the split.
        ensembles: how the teachers of a task that has several are joined.
    """
    found: dict[str, Array] = {}
    for spec in work.tasks:
        names = [one.name for one in work.recipe.teachers_of(spec.name)]
        own = {name: asked[name] for name in names if name in asked}
        if own:
            found |= said_of_task(spec, own, ensembles.get(spec.name))
    return found


def said_of_task(
    spec: TaskSpec, caches: Mapping[str, TeacherCache], ensemble: Ensemble | None
) -> dict[str, Array]:
    """Array -> what the teachers of a task say of all rows of a split, at temperature 1.

    Args:
        spec: the task.
        caches: teacher -> what it says of the split, of all classes; teachers of this task alone.
        ensemble: how several are joined; None where there is one.
    """
    found: dict[str, Array] = {}
    for name, output in outputs_of(spec).items():
        said = {teacher: _whole(name, cache) for teacher, cache in caches.items()}
        if len(said) == 1:
            (found[name],) = said.values()
        else:
            assert ensemble is not None
            found[name] = _joined(said, ensemble, output)
    return found


def _lack(
    task: TaskSpec,
    split: EncodedSplit,
    caches: Mapping[str, TeacherCache],
    rows: int,
    ensemble: Ensemble | None = None,
) -> float:
    """What teachers together lack of a perfect one by the task's leading metric: more than 0.

    Of shares half a row at least: that none of a few rows is wrong does not make it perfect.
    """
    said = said_of_task(task, caches, ensemble)
    (spec,) = fitted_tasks([task], split, said)
    decoded = task_kind(spec.kind).decode(spec, logits_of(spec, said))
    reached = measure(spec, split.truth(spec.name), decoded, spec.metric)
    lack = 1.0 - goodness(spec, spec.metric, reached)
    return max(lack, 0.5 / rows if metric(spec.metric).scale.is_share else _TINY)


def _whole(array: str, cache: TeacherCache) -> Array:
    said = cache.logits(array, np.arange(cache.rows, dtype=np.int64))
    if isinstance(said, Ragged):
        return Ragged(said.values.astype(np.float32), said.offsets)
    return said.astype(np.float32)


def _joined(said: Mapping[str, Array], ensemble: Ensemble, output: Output) -> Array:
    """An array of several teachers as one, in the form that each has it."""
    first = next(iter(said.values()))
    ragged = isinstance(first, Ragged)
    items = {name: _items(one) for name, one in said.items()}
    parts = list(_parts(items, ensemble, output, ragged=ragged))
    values = np.concatenate(parts) if parts else next(iter(items.values()))
    return (
        Ragged(values, first.offsets) if isinstance(first, Ragged) else values.reshape(first.shape)
    )


def _items(said: Array) -> npt.NDArray[np.float32]:
    """``[item, channel]``."""
    values = said.values if isinstance(said, Ragged) else said
    return values.reshape(-1, values.shape[-1])


def _parts(
    items: Mapping[str, npt.NDArray[np.float32]],
    ensemble: Ensemble,
    output: Output,
    *,
    ragged: bool,
) -> Iterator[npt.NDArray[np.float32]]:
    count = len(next(iter(items.values())))
    for at in range(0, count, _CHUNK):
        part = slice(at, at + _CHUNK)
        answers = {name: torch.from_numpy(one[part]) for name, one in items.items()}
        yield ensemble.asked(answers, output, ragged=ragged).at(1.0).numpy()
