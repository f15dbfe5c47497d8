"""Ask a teacher once for everything, and keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.bundle import fingerprint
from kd2edge.data.batch import Batch
from kd2edge.data.device import device_of
from kd2edge.data.layout import MANIFEST, Field
from kd2edge.data.progress import OnProgress, Progress, ignore
from kd2edge.data.reader import ranges
from kd2edge.data.split import EncodedSplit
from kd2edge.data.writer import ArrayWriter, Column
from kd2edge.errors import DataError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Ragged, TaskName, TaskSpec
from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.features import GRID, shared_form
from kd2edge.teacher.teacher import Answer, Teacher

#: Rows that are sorted by length and written together.
_BLOCK = 512
_LIMIT = float(np.finfo(np.float16).max)

Arrays = dict[str, npt.NDArray[Any]]


def cache_outputs(
    teacher: Teacher,
    split: EncodedSplit,
    directory: Path,
    *,
    tasks: Sequence[TaskSpec],
    features: Sequence[str] = (),
    batch_size: int = 64,
    device: str = "auto",
    on_event: OnProgress = ignore,
) -> TeacherCache:
    """Keep a teacher's outputs for every view of every row in ``directory/<key>``.

    The key is the fingerprint of teacher, data, preprocessing, tasks and features.  When an earlier
    call left it there, the teacher is not opened at all; a stopped call goes on where it was.

    Args:
        teacher: who is asked.
        split: the rows, encoded for this teacher.
        directory: folder of caches.
        tasks: the tasks to keep, labels in the *student's* order; the teacher's order is mapped by name.
        features: paths of features to keep (only those that a loss states).
        batch_size: rows a forward pass.
        device: ``auto``, ``cpu``, ``cuda``.
        on_event: told about progress.

    Raises:
        DataError: the teacher lacks a task, or has other labels for it.
        IntegrityError: the cache that is there is damaged.
    """
    orders = {task.name: label_order(teacher, task) for task in tasks}
    key = _key(teacher, split, tasks, features)
    folder = directory / key[:32]
    reused = (folder / MANIFEST).exists()
    if not reused:
        job = _Job(teacher, split, tuple(tasks), tuple(features), orders, batch_size)
        _write(job, folder, key, device_of(device), on_event)
    return TeacherCache(folder, reused=reused)


def label_order(teacher: Teacher, task: TaskSpec) -> list[int]:
    """Where each label of ``task`` stands in the teacher's logits.

    Raises:
        DataError: the teacher lacks the task, or has other labels for it.
    """
    own = next((one for one in teacher.tasks if one.name == task.name), None)
    if own is None:
        names = ", ".join(one.name for one in teacher.tasks)
        raise DataError(f"task {task.name}: the teacher does not know it; it knows {names}")
    if own.kind != task.kind:
        raise DataError(f"task {task.name}: the teacher's is {own.kind}, the student's {task.kind}")
    if sorted(own.labels) != sorted(task.labels):
        odd = sorted(set(own.labels) ^ set(task.labels))
        some = ", ".join(odd[:5])
        raise DataError(
            f"task {task.name}: teacher and student do not share the labels {some} ({len(odd)} in all); "
            "declare the same labels for both"
        )
    at = {label: index for index, label in enumerate(own.labels)}
    return [at[label] for label in task.labels]


@dataclass(frozen=True, slots=True)
class _Job:
    teacher: Teacher
    split: EncodedSplit
    tasks: tuple[TaskSpec, ...]
    features: tuple[str, ...]
    orders: Mapping[TaskName, list[int]]
    batch_size: int


def _key(
    teacher: Teacher, split: EncodedSplit, tasks: Sequence[TaskSpec], features: Sequence[str]
) -> str:
    return fingerprint(
        {
            "teacher": teacher.fingerprint,
            "split": split.fingerprint,
            "tasks": [[task.name, task.kind, task.labels] for task in tasks],
            "features": sorted(features),
            "form": {"dtype": "float16", "grid": GRID},
        }
    )


def _write(job: _Job, folder: Path, key: str, device: torch.device, on_event: OnProgress) -> None:
    split, total = job.split, len(job.split) * job.split.views.count
    with ExitStack() as stack:
        answer = stack.enter_context(job.teacher.open(job.features, device))
        probe = split.batch(np.zeros(1, dtype=np.int64))
        writer = ArrayWriter(folder, _fields(job, probe, _asked(job, answer, probe)), key)
        for view, positions in _blocks(len(split), split.views.count, writer.rows):
            writer.append(_block(job, answer, positions, view))
            on_event(Progress("teacher", view * len(split) + int(positions[-1]) + 1, total))
    views = split.views
    writer.finish(
        {
            "teacher": job.teacher.fingerprint,
            "rows": len(split),
            "rows_fingerprint": split.rows_fingerprint,
            "views": {name: getattr(views, name) for name in ("count", "kind", "seed")}
            | {"options": dict(views.options)},
            "tasks": [task.name for task in job.tasks],
            "features": list(job.features),
        }
    )


def _blocks(rows: int, views: int, done: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """(view, positions) of what is still to be asked, in the order of the cache."""
    for view in range(views):
        begin = max(0, done - view * rows)
        for at in range(begin, rows, _BLOCK):
            yield view, np.arange(at, min(at + _BLOCK, rows), dtype=np.int64)


def _fields(job: _Job, batch: Batch, asked: Mapping[str, Tensor]) -> list[Field]:
    return [
        Field(name, "float16", tuple(value.shape[1:]), ragged=_is_per_word(job, batch, name))
        for name, value in asked.items()
    ]


def _is_per_word(job: _Job, batch: Batch, name: str) -> bool:
    kind, _, what = name.partition("/")
    if kind == "logits":
        return any(task.name == what and task_kind(task.kind).per_word for task in job.tasks)
    # A probe of one row: a feature of as many items as the row has words could be either; what the
    # teacher gave decides, and shared_form turns exactly the three-dimensional ones into words.
    return what in _sequences(job, batch)


def _sequences(job: _Job, batch: Batch) -> set[str]:
    raise NotImplementedError
