"""Ask a teacher once for everything, and keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.data.batch import Batch, at_words
from kd2edge.data.device import device_of
from kd2edge.data.layout import Field, folder_of
from kd2edge.data.split import EncodedSplit
from kd2edge.data.writer import ArrayWriter, to_fill
from kd2edge.errors import DataError
from kd2edge.files import fingerprint
from kd2edge.ragged import Column, Ragged, concatenated, taken
from kd2edge.runtime.progress import OnProgress, Progress, ignore
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.features import GRID, Shared, shared_form
from kd2edge.teacher.teacher import Answer, Teacher

#: Rows that are sorted by length and written together.
_BLOCK = 512
_LIMIT = float(np.finfo(np.float16).max)


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
        tasks: the tasks to keep, labels in the *student's* order; the teacher's is mapped by name.
        features: paths of features to keep (only those that a loss states).
        batch_size: rows a forward pass.
        device: ``auto``, ``cpu``, ``cuda``.
        on_event: told about progress.

    Raises:
        DataError: the teacher lacks a task, or has other labels for it.
        IntegrityError: the cache that is there is damaged.
        StorageError: another process is filling it, or the disk is full.
    """
    orders = {task.name: label_order(teacher, task) for task in tasks}
    key = _key(teacher, split, tasks, features)
    folder = folder_of(directory, key)
    with to_fill(folder) as needed:
        if needed:
            job = _Job(teacher, split, tuple(tasks), tuple(features), orders, batch_size)
            _write(job, folder, key, device_of(device), on_event)
    return TeacherCache(folder, reused=not needed)


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
            f"task {task.name}: teacher and student do not share the labels {some} "
            f"({len(odd)} in all); declare the same labels for both"
        )
    at = {label: index for index, label in enumerate(own.labels)}
    return task_kind(task.kind).channel_order(task, [at[label] for label in task.labels])


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
        writer = ArrayWriter(folder, _fields(_asked(job, answer, probe)), key)
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


def _fields(asked: Mapping[str, Shared]) -> list[Field]:
    return [
        Field(name, "float16", tuple(shared.values.shape[1:]), ragged=shared.words is not None)
        for name, shared in asked.items()
    ]


def _asked(job: _Job, answer: Answer, batch: Batch) -> dict[str, Shared]:
    """What the teacher says of a batch, in shared form and in the student's label order."""
    outputs = answer(batch)
    asked: dict[str, Shared] = {}
    for task in job.tasks:
        words = batch.words_of(task.name)
        logits = at_words(outputs.logits[task.name].float(), words)
        asked[f"logits/{task.name}"] = Shared(_ordered(logits, job.orders[task.name]), words)
    for path in job.features:
        feature = outputs.features[path].float()
        asked[f"features/{path}"] = shared_form(path, feature, batch)
    return asked


def _ordered(logits: Tensor, order: list[int]) -> Tensor:
    if order == list(range(len(order))):
        return logits
    # The one logit of a binary task says yes; yes and no swapped is its negative.
    return -logits if logits.shape[-1] == 1 else logits[..., order]


def _block(
    job: _Job, answer: Answer, positions: npt.NDArray[np.int64], view: int
) -> dict[str, Column]:
    """Columns of some rows, asked in batches of similar length, in the order of ``positions``."""
    order = np.argsort(job.split.lengths[positions], kind="stable")
    got: dict[str, list[Column]] = {}
    for at in range(0, len(order), job.batch_size):
        batch = job.split.batch(positions[order[at : at + job.batch_size]], view)
        for name, shared in _asked(job, answer, batch).items():
            got.setdefault(name, []).append(_column(shared))
    back = np.argsort(order, kind="stable")
    return {name: taken(concatenated(columns), back) for name, columns in got.items()}


def _column(shared: Shared) -> Column:
    values = shared.values.clamp(-_LIMIT, _LIMIT).half().cpu().numpy()
    return values if shared.words is None else Ragged(values, shared.words.offsets)
