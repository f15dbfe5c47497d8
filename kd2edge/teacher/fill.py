"""Ask a teacher once for everything, and keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.batch import Batch, at_words
from kd2edge.data.device import device_of
from kd2edge.data.layout import Field, folder_of, shard_rows, spread
from kd2edge.data.reader import ArrayStore
from kd2edge.data.split import EncodedSplit
from kd2edge.data.writer import Append, ArrayWriter, is_filled
from kd2edge.errors import DataError
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.files import fingerprint
from kd2edge.ragged import Column, Ragged, concatenated, taken
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import arrays_of, outputs_of
from kd2edge.tasks.spec import Output, TaskName, TaskSpec
from kd2edge.teacher.cache import TeacherCache, write_statistics
from kd2edge.teacher.features import GRID, Shared, shared_form
from kd2edge.teacher.tail import TEMPERATURES
from kd2edge.teacher.teacher import Answer, Teacher
from kd2edge.teacher.top_k import index_dtype, kept_of, top_of

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
    top_k: int | None = None,
    batch_size: int = 64,
    device: str = "auto",
    on_event: OnProgress = ignore,
) -> TeacherCache:
    """Keep a teacher's outputs for every view of every row in ``directory/<key>``.

    The key is the fingerprint of teacher, data, preprocessing, tasks and features.  When an earlier
    call left it there, the teacher is not opened at all; a stopped call goes on with the shards
    that are whole; several calls at once, on one machine or many, share the work.

    Args:
        teacher: who is asked.
        split: the rows, encoded for this teacher.
        directory: folder of caches.
        tasks: the tasks to keep, labels in the *student's* order; the teacher's is mapped by name.
        features: paths of features to keep (only those that a loss states).
        top_k: of more than 256 classes keep so many of the likeliest and the mass of the others;
            None keeps all, which whoever decodes them needs.
        batch_size: rows a forward pass.
        device: ``auto``, ``cpu``, ``cuda``.
        on_event: told about progress.

    Raises:
        DataError: the teacher lacks a task, or has other labels for it.
        IntegrityError: the cache that is there is damaged.
        StorageError: the folder cannot be written, or the disk is full.
    """
    orders = {task.name: label_order(teacher, task) for task in tasks}
    own = {task.name: task for task in teacher.tasks}
    cut = _cut(tasks, top_k)
    key = _key(teacher, split, tasks, features, cut)
    folder = folder_of(directory, key)
    reused = is_filled(folder)
    if not reused:
        job = _Job(teacher, split, tuple(tasks), tuple(features), orders, own, batch_size, cut)
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
            f"task {task.name}: teacher and student do not share the labels {some} "
            f"({len(odd)} in all); declare the same labels for both"
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
    own: Mapping[TaskName, TaskSpec]
    batch_size: int
    cut: Mapping[str, int]


def _cut(tasks: Sequence[TaskSpec], top_k: int | None) -> dict[str, int]:
    """How many classes are kept of the arrays of which not all are."""
    arrays = arrays_of(tasks).items()
    return {name: k for name, (_, output) in arrays if (k := kept_of(output, top_k)) is not None}


def _key(
    teacher: Teacher,
    split: EncodedSplit,
    tasks: Sequence[TaskSpec],
    features: Sequence[str],
    cut: Mapping[str, int],
) -> str:
    # The same weights with other names or another unit say something else.
    own = {one.name: one for one in teacher.tasks}
    translated = {
        task.name: [own[task.name].labels, own[task.name].decode]
        for task in tasks
        if own[task.name].labels != task.labels
        or (not task.labels and own[task.name].decode != task.decode)
    }
    return fingerprint(
        {
            "teacher": teacher.fingerprint,
            "split": split.arrays_fingerprint,
            "tasks": [
                [task.name, task.kind, task.labels, *([task.decode] * (not task.labels))]
                for task in tasks
            ],
            "features": sorted(features),
            "form": {"dtype": "float16", "grid": GRID} | ({"statistics": 1} if features else {}),
            **({"translated": translated} if translated else {}),
            **({"top_k": dict(cut), "tail": TEMPERATURES} if cut else {}),
        }
    )


def _write(job: _Job, folder: Path, key: str, device: torch.device, on_event: OnProgress) -> None:
    split, rows, views = job.split, len(job.split), job.split.views
    with ExitStack() as stack:
        answer = stack.enter_context(job.teacher.open(job.features, device))
        probe = _asked(job, answer, split.batch(spread(rows)))
        writer = ArrayWriter(folder, _fields(job, probe), key)
        row_bytes = writer.row_bytes({name: _column(shared) for name, shared in probe.items()})

        def make(part: range, append: Append) -> dict[str, Any]:
            view, first = divmod(part.start, rows)
            for at in range(first, first + len(part), _BLOCK):
                stop = min(at + _BLOCK, first + len(part))
                append(_block(job, answer, np.arange(at, stop, dtype=np.int64), view))
                on_event(Progress("teacher", view * rows + stop, rows * views.count))
            return {}

        filled = writer.fill(_parts(rows, views.count, shard_rows(row_bytes, _BLOCK)), make)
    statistics: Mapping[str, str] | None = None
    if job.features:
        # Before the shards are joined: whoever finds the manifest finds the statistics.
        store = ArrayStore(folder, writer.layout(filled, {}))
        statistics = write_statistics(folder, store, job.features)
    writer.join(
        filled,
        {
            "statistics": statistics,
            "teacher": job.teacher.fingerprint,
            "rows": rows,
            "rows_fingerprint": split.rows_fingerprint,
            "views": views.form(),
            "tasks": [task.name for task in job.tasks],
            "features": list(job.features),
        },
    )


def _parts(rows: int, views: int, step: int) -> list[range]:
    """The rows of every shard: each holds one view, so that blocks begin where the view does."""
    return [
        range(view * rows + at, view * rows + min(at + step, rows))
        for view in range(views)
        for at in range(0, rows, step)
    ]


def _fields(job: _Job, asked: Mapping[str, Shared]) -> list[Field]:
    arrays = arrays_of(job.tasks)
    integers = {f"classes/{name}": index_dtype(arrays[name][1].channels) for name in job.cut}
    return [
        Field(
            name,
            integers.get(name, "float16"),
            tuple(shared.values.shape[1:]),
            ragged=shared.words is not None,
        )
        for name, shared in asked.items()
    ]


def _asked(job: _Job, answer: Answer, batch: Batch) -> dict[str, Shared]:
    """What the teacher says of a batch, in shared form and in the student's label order."""
    outputs = answer(batch)
    asked: dict[str, Shared] = {}
    for task in job.tasks:
        kind, own, order = task_kind(task.kind), job.own[task.name], job.orders[task.name]
        for name, output in outputs_of(task).items():
            words = batch.words_in(task, output, outputs.logits[name])
            logits = at_words(outputs.logits[name].float(), words)  # [item, channel]
            ordered = kind.reordered(task, logits, order, output.name)
            translated = kind.translated(own, task, ordered, output.name)
            if name in job.cut:
                translated, classes, tail = top_of(translated, job.cut[name])
                asked[f"classes/{name}"] = Shared(classes.to(_dtype(output)), words)
                asked[f"tails/{name}"] = Shared(tail, words)
            asked[f"logits/{name}"] = Shared(translated, words)
    for path in job.features:
        feature = outputs.features[path].float()
        asked[f"features/{path}"] = shared_form(path, feature, batch)
    return asked


def _block(
    job: _Job, answer: Answer, positions: npt.NDArray[np.int64], view: int
) -> dict[str, Column]:
    """Columns of some rows, asked in batches of similar length, in the order of ``positions``."""
    order = np.argsort(job.split.lengths[positions], kind="stable")  # [row of the block]
    got: dict[str, list[Column]] = {}
    for at in range(0, len(order), job.batch_size):
        batch = job.split.batch(positions[order[at : at + job.batch_size]], view)
        for name, shared in _asked(job, answer, batch).items():
            got.setdefault(name, []).append(_column(shared))
    back = np.argsort(order, kind="stable")
    return {name: taken(concatenated(columns), back) for name, columns in got.items()}


def _dtype(output: Output) -> torch.dtype:
    return getattr(torch, index_dtype(output.channels))


def _column(shared: Shared) -> Column:
    found = shared.values
    if found.is_floating_point():
        found = found.clamp(-_LIMIT, _LIMIT).half()
    values = found.cpu().numpy()
    return values if shared.words is None else Ragged(values, shared.words.offsets)
