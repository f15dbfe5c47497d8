"""The student of a run, and its baseline: the same net without a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kd2edge.distill import Knowledge, TrainingJob, TrainSettings, knowledge_of
from kd2edge.events import StageEvent
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, teacher_inputs
from kd2edge.pipeline.reading.settings import baseline_settings, student_settings
from kd2edge.pipeline.steps.piece_table import PieceTable, piece_ids_of, piece_table
from kd2edge.pipeline.steps.teaching import AskedTeacher
from kd2edge.pipeline.steps.training import origin_of
from kd2edge.pipeline.steps.work import Learner, Work, fresh_net
from kd2edge.recipe.schema.models import Init
from kd2edge.student import init_from, worded

__all__ = ["start_from", "student_jobs"]


def student_jobs(
    work: Work, learner: Learner, teachers: Sequence[AskedTeacher]
) -> list[TrainingJob]:
    """The jobs of the student and, where the recipe asks for one, of its baseline.

    The baseline is the same student from the same start, on labels alone, with the student's steps
    where the recipe does not say otherwise.  The start is the student's, too, what it has of a
    teacher included: the gain over the baseline is what distillation gave, not what the start did.
    """
    names, check = [task.name for task in work.tasks], work.data.checks["train"]
    caches = {one.name: one.caches["train"] for one in teachers}
    starter = _starter(work, learner, teachers)
    student = _job(
        work,
        learner,
        starter,
        work.run.student,
        student_settings(work.recipe, names, check),
        knowledge_of(caches) if teachers else None,
    )
    if not (work.recipe.baseline and teachers):
        return [student]
    steps = student.plan(student.objective()).steps
    alone = baseline_settings(work.recipe, names, check, steps)
    return [student, _job(work, learner, starter, work.run.baseline, alone, None)]


@dataclass(frozen=True, slots=True)
class _Starter:
    """What students start from.

    Args:
        teacher: whose values are taken.
        table: of a student's input, made once; see :func:`start_from`.
    """

    teacher: AskedTeacher
    table: Callable[[str], PieceTable]


def _starter(work: Work, learner: Learner, teachers: Sequence[AskedTeacher]) -> _Starter | None:
    init = work.recipe.student.init
    found = next((one for one in teachers if init and one.name == init.teacher), None)
    return None if found is None else _Starter(found, cache(partial(_table, work, learner, found)))


def _table(work: Work, learner: Learner, teacher: AskedTeacher, name: str) -> PieceTable:
    ids = piece_ids_of(learner.inputs, name)
    work.on_event(StageEvent(f"ask {teacher.name}", f"each of {len(ids):,} pieces alone"))
    theirs = teacher_inputs(work.recipe, teacher.name, work.data.learned)
    spec, rows = learner.inputs.specs[name], learner.splits["train"]
    return piece_table(load_net(teacher.stem), theirs, spec, ids, rows)


def _job(
    work: Work,
    learner: Learner,
    starter: _Starter | None,
    stem: Path,
    settings: TrainSettings,
    knowledge: Knowledge | None,
) -> TrainingJob:
    model, init = work.recipe.student.model, work.recipe.student.init
    start = None
    if init is not None and starter is not None:
        start = {**init.model_dump(mode="json"), "weights": starter.teacher.record.weights}
    return TrainingJob(
        name=stem.name,
        build=partial(_started_student, work, learner, starter),
        origin=origin_of(model, start),
        tasks=work.tasks,
        train=learner.splits["train"],
        validation=learner.splits["validation"],
        settings=settings,
        stem=stem,
        checkpoints=work.run.checkpoints_of(stem.name),
        knowledge=knowledge,
        tokenizers=learner.inputs.tokenizers,
        rows=work.data.rows["train"],
    )


def _started_student(work: Work, learner: Learner, starter: _Starter | None) -> Net:
    """A fresh student, its tables and layers started from a teacher's where the recipe says so."""
    student = work.recipe.student
    net = fresh_net(student.model, learner.inputs, work.tasks, work.recipe.seed)
    if student.init is not None and starter is not None:
        teacher = load_net(starter.teacher.stem)
        start_from(net, teacher, student.init, learner.inputs, starter.table)
    return net


def start_from(
    net: Net, teacher: Net, init: Init, inputs: ModelInputs, table: Callable[[str], PieceTable]
) -> None:
    """Start a student's tables and layers from its teacher's, in place.

    Args:
        net: the student; changed.
        teacher: whose values are taken.
        init: what is taken, as the recipe says.
        inputs: of the student: which rows of a vocabulary it kept.
        table: gives what the teacher makes of each piece of an input of the student; called only
            where the recipe asks for output embeddings.

    Raises:
        UsageError: nets that do not fit.
    """
    mappings: dict[str, dict[str, object]] = {}
    if init.embeddings == "svd":
        mappings["svd_embeddings"] = {"kept_ids": _kept_ids(net, inputs)}
    if init.embeddings == "output":
        pieces = table(worded(net, "student")[0])
        shown = {"vectors": pieces.vectors, "shares": pieces.shares}
        mappings["output_embeddings"] = {**shown, "weighing": init.weighing}
    if init.layers is not None:
        mappings["copy_layers"] = {"layers": init.layers}
    init_from(net, teacher, mappings)


def _kept_ids(net: Net, inputs: ModelInputs) -> npt.NDArray[np.int64] | None:
    """The teacher's row of each row of the student: of an uncut vocabulary the same one.

    The teacher's table may have more rows than its tokenizer has pieces.
    """
    tables = {name: one.embeddings().get("word") for name, one in net.branches.items()}
    words = {name: table for name, table in tables.items() if table is not None}
    if len(words) != 1:
        return None  # the mapping says what is wrong
    ((name, table),) = words.items()
    kept = inputs.kept_ids.get(name)
    return np.arange(table.num_embeddings) if kept is None else kept
