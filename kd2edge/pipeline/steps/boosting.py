"""A teacher of boosted trees in a run: grown or taken over, with the record that nets have, too."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.split import EncodedSplit
from kd2edge.distill.job import hidden_key
from kd2edge.errors import UsageError
from kd2edge.events import StageEvent
from kd2edge.files import fingerprint, fingerprint_file
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.reading.settings import boosting_settings, teacher_seed
from kd2edge.pipeline.reading.trained import trees_stem
from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.steps.training import (
    NetRecord,
    finished_record,
    forget_record,
    write_record,
)
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe.schema import BoostingModel, Teacher
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import label_order
from kd2edge.teacher.boosted import (
    BoostedTeacher,
    BoostingSettings,
    boosted_files,
    boosted_from,
    describe_boosted,
    load_boosted,
    require_boostable,
    save_boosted,
)
from kd2edge.teacher.boosted.forest import Forest

__all__ = [
    "BoostingJob",
    "boosting_checkpoint",
    "boosting_job",
    "grow_trees",
    "measured_trees",
    "require_trees",
    "threads_of_trees",
    "trees_that_speak",
]


@final
@dataclass(frozen=True, slots=True)
class BoostingJob:
    """Boosted trees that are to be grown.

    Args:
        name: what events call them.
        input: the table.
        tasks: what they answer.
        train: the training rows.
        validation: rows that say when to stop.
        settings: how.
        stem: where they are written, without suffix.
        checkpoints: folder of checkpoints; there are none, a stopped growth begins anew.
        table: SHA-256 of what was fitted to the table's columns.
        threads: CPU threads; None: the physical cores.
        hidden: positions of training rows that nothing is learned from.
    """

    name: str
    input: InputSpec
    tasks: Sequence[TaskSpec]
    train: EncodedSplit
    validation: EncodedSplit
    settings: BoostingSettings
    stem: Path
    checkpoints: Path
    table: str
    threads: int | None
    hidden: npt.NDArray[np.int64] | None = None

    @property
    def key(self) -> str:
        """Fingerprint of everything that the trees depend on, as of a net's training."""
        return fingerprint(
            {
                "boosting": asdict(self.settings),
                "splits": [self.train.labelled_fingerprint, self.validation.fingerprint],
                "tasks": [replace(task, metrics=()) for task in self.tasks],
                **hidden_key(self.hidden),
            }
        )


def boosting_job(work: Work, teacher: Teacher, learner: Learner) -> BoostingJob:
    """The job that a recipe's teacher asks for.

    Args:
        work: the run.
        teacher: what the recipe says of it.
        learner: what it reads.
    """
    assert isinstance(teacher.model, BoostingModel)
    spec = _table(learner.inputs)
    return BoostingJob(
        name=f"teacher {teacher.name}",
        input=spec,
        tasks=[task for task in work.tasks if task.name in teacher.tasks],
        train=learner.splits["train"],
        validation=learner.splits["validation"],
        settings=boosting_settings(teacher.model, teacher_seed(work.recipe, teacher)),
        stem=work.run.teachers / teacher.name,
        checkpoints=work.run.checkpoints_of(f"teacher-{teacher.name}"),
        table=learner.inputs.hashes[spec.files["table"]],
        threads=work.recipe.train.threads,
    )


def require_trees(model: BoostingModel, inputs: ModelInputs, tasks: Sequence[TaskSpec]) -> None:
    """Refuse a table or tasks that no trees can be grown on, and a machine without scikit-learn.

    Args:
        model: what the recipe says of the trees.
        inputs: what they read.
        tasks: what they answer.

    Raises:
        UsageError: columns or tasks that do not suit.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    import sklearn  # noqa: F401  (hours before it is needed)

    spec = _table(inputs)
    files = {role: inputs.files[path] for role, path in spec.files.items()}
    require_boostable(spec, files, tasks, model.max_bins)


def grow_trees(job: BoostingJob, *, on_event: Listener) -> NetRecord:
    """Grow the trees and write their record, or take over those that this very job has grown.

    Args:
        job: what to grow.
        on_event: told about stages.

    Raises:
        DataError: labels that leave nothing to learn.
        IntegrityError: finished trees that were changed since.
        StorageError: disk full, no permission.
    """
    known = finished_record(job)
    if known is not None:
        on_event(StageEvent(job.name, f"{known.steps:,} trees", skipped=True))
        return known
    forget_record(job.stem)
    shown = len(job.train) - (0 if job.hidden is None else len(job.hidden))
    on_event(StageEvent(job.name, f"boosted trees on {shown:,} rows"))

    def told(task: TaskSpec, forest: Forest) -> None:
        rows, trees = f"{forest.rows:,} labelled rows", f"{len(forest.trees.root):,} trees"
        on_event(StageEvent(job.name, f"{task.name}: {trees}, {rows}"))

    began = time.monotonic()
    with threads_of_trees(job.threads):
        boosted = boosted_from(
            job.input, job.tasks, job.train, job.validation, job.settings, job.hidden, told
        )
    seconds = time.monotonic() - began
    save_boosted(boosted, job.stem, job.table)
    record = NetRecord(
        **measured_trees(job.stem, job.validation),
        key=job.key,
        train_seconds=seconds,
        steps=boosted.trees,
    )
    write_record(job.stem, record)
    return record


def measured_trees(stem: Path, split: EncodedSplit) -> dict[str, Any]:
    """What a record says of finished trees: parameters are thresholds and values of leaves.

    Args:
        stem: the trees.
        split: rows to count operations on: questions and additions.
    """
    boosted = load_boosted(stem)
    files = {path.name: fingerprint_file(path) for path in boosted_files(stem)}
    trees = boosted_files(stem)[0]
    return {
        "weights": files[trees.name],
        "files": files,
        "parameters": boosted.numbers,
        "embedding_parameters": 0,
        "flops": boosted.operations(split),
        "bytes": trees.stat().st_size,
    }


def trees_that_speak(stem: Path, weights: str) -> BoostedTeacher:
    """The teacher over finished trees; they are loaded when they are asked.

    Args:
        stem: the trees.
        weights: SHA-256 of their file.
    """
    return BoostedTeacher(lambda: load_boosted(stem), describe_boosted(stem).tasks, weights)


def boosting_checkpoint(teacher: Teacher, inputs: ModelInputs, tasks: Sequence[TaskSpec]) -> Path:
    """The stem of finished trees that the recipe names, which must fit it.

    Args:
        teacher: what the recipe says of it.
        inputs: what it is given.
        tasks: what it teaches.

    Raises:
        UsageError: trees that are not there, or of another table than the recipe's.
        DataError: trees of other tasks or labels.
    """
    assert teacher.checkpoint is not None
    stem = trees_stem(teacher.checkpoint)
    found, spec = describe_boosted(stem), _table(inputs)
    table = inputs.hashes[spec.files["table"]]
    for what, own, theirs in (
        ("kind", spec.kind, found.input.kind),
        ("options", dict(spec.options), dict(found.input.options)),
        ("fitted table", f"{table[:12]}...", f"{found.table[:12]}..."),
    ):
        if own != theirs:
            raise UsageError(
                f"checkpoint {stem}: its trees were grown on another input: {what} {theirs!r}"
                f" (recipe: {own!r}); grow them anew, or state their own under `inputs` of this"
                f" teacher; they read {spec.files['table']} of their run as it was, where it is"
                " still there"
            )
    for task in tasks:
        label_order(trees_that_speak(stem, found.trees), task)
    return stem


def _table(inputs: ModelInputs) -> InputSpec:
    (spec,) = inputs.specs.values()  # the recipe's checks let trees read one input alone
    return spec


@contextmanager
def threads_of_trees(count: int | None) -> Iterator[None]:
    """Let scikit-learn use so many threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count, user_api="openmp"):
        yield
