"""The student of a run, and its baseline: the same net without a teacher."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kd2edge.distill import Knowledge, TrainSettings
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.model_inputs import ModelInputs
from kd2edge.pipeline.settings import student_settings
from kd2edge.pipeline.trained import NetRecord, Training, net_key, trained
from kd2edge.pipeline.work import Learner, Work, fresh_net
from kd2edge.recipe.schema.models import Init
from kd2edge.student import init_from

__all__ = ["baseline_record", "start_from", "student_record"]


def student_record(
    work: Work, learner: Learner, knowledge: Knowledge | None, teachers: Mapping[str, Path]
) -> NetRecord:
    """Train the student; with ``teachers`` (name -> stem) started as the recipe says.

    Raises:
        Interrupted: stopped; the state was saved.
    """
    settings = student_settings(work.recipe, [task.name for task in work.tasks], max_steps=None)
    return _trained(work, learner, work.run.student, settings, teachers, knowledge)


def baseline_record(
    work: Work, learner: Learner, steps: int, teachers: Mapping[str, Path]
) -> NetRecord:
    """Train the same student from the same start, on labels alone, with the student's steps.

    The start is the student's, what it has of a teacher included: the gain over the baseline is
    what distillation gave, and nothing of it is the start's.

    Raises:
        Interrupted: stopped; the state was saved.
    """
    settings = student_settings(work.recipe, [task.name for task in work.tasks], max_steps=steps)
    return _trained(work, learner, work.run.baseline, settings, teachers, None)


def _trained(
    work: Work,
    learner: Learner,
    stem: Path,
    settings: TrainSettings,
    teachers: Mapping[str, Path],
    knowledge: Knowledge | None,
) -> NetRecord:
    model, start = work.recipe.student.model, work.recipe.student.init
    job = Training(
        name=stem.name,
        stem=stem,
        key=net_key(model, start, settings, learner.splits, work.tasks, knowledge),
        build=partial(_started_student, work, learner, teachers),
        knowledge=knowledge,
        tasks=work.tasks,
        train=learner.splits["train"],
        validation=learner.splits["validation"],
        settings=settings,
        checkpoints=work.run.checkpoints / stem.name,
        on_event=work.on_event,
        tokenizers=learner.inputs.tokenizers,
    )
    return trained(job, resume=work.resume, reuse=work.resume)


def _started_student(work: Work, learner: Learner, teachers: Mapping[str, Path]) -> Net:
    """A fresh student, its tables and layers started from a teacher's where the recipe says so."""
    student = work.recipe.student
    net = fresh_net(student.model, learner.inputs, work.tasks, work.recipe.seed)
    if student.init is not None:
        teacher = load_net(teachers[student.init.teacher])
        start_from(net, teacher, student.init, learner.inputs)
    return net


def start_from(net: Net, teacher: Net, init: Init, inputs: ModelInputs) -> None:
    """Start a student's tables and layers from its teacher's, in place.

    Raises:
        UsageError: nets that do not fit.
    """
    mappings: dict[str, dict[str, object]] = {}
    if init.embeddings == "svd":
        mappings["svd_embeddings"] = {"kept_ids": _kept_ids(net, inputs)}
    if init.layers is not None:
        mappings["copy_layers"] = {"layers": init.layers}
    init_from(net, teacher, mappings)


def _kept_ids(net: Net, inputs: ModelInputs) -> npt.NDArray[np.int64] | None:
    """The teacher's row of each row of the student: of an uncut vocabulary the same one.

    The teacher's table may have more rows than its tokenizer has pieces.
    """
    words = net.embeddings().get("word")
    if inputs.kept_ids is not None or words is None:
        return inputs.kept_ids
    return np.arange(words.num_embeddings)
