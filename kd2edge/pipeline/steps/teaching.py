"""The teachers of a run: trained or loaded, and asked once about every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kd2edge.distill import TrainingJob
from kd2edge.events import StageEvent
from kd2edge.nets import describe_net, load_net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, teacher_inputs
from kd2edge.pipeline.reading.phases import followed_layers
from kd2edge.pipeline.reading.settings import teacher_seed, teacher_settings
from kd2edge.pipeline.reading.sources import SPLITS
from kd2edge.pipeline.reading.trained import trained_stem
from kd2edge.pipeline.steps.boosting import (
    BoostingJob,
    boosting_checkpoint,
    boosting_job,
    grow_trees,
    measured_trees,
    trees_that_speak,
)
from kd2edge.pipeline.steps.folds import fold_of_rows
from kd2edge.pipeline.steps.given import Given, given_teacher
from kd2edge.pipeline.steps.knowing import Asked, knowledge_for
from kd2edge.pipeline.steps.lacking import JUDGED, lacked, teacher_without
from kd2edge.pipeline.steps.saved import require_same_inputs
from kd2edge.pipeline.steps.training import (
    NetRecord,
    loaded_record,
    measured_net,
    origin_of,
    train_net,
    write_record,
)
from kd2edge.pipeline.steps.work import Learner, Work, fresh_net
from kd2edge.recipe.code import require_code_allowed
from kd2edge.recipe.schema import BoostingModel, GivenModel, NoNet, Teacher
from kd2edge.tasks.reject import without_prototypes
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import NetTeacher, TeacherCache, cache_outputs, label_order
from kd2edge.teacher import Teacher as Speaker
from kd2edge.teacher.boosted import describe_boosted
from kd2edge.teacher.cross_fitted import CrossFitted

__all__ = [
    "AskedTeacher",
    "TeacherJob",
    "Tutor",
    "ask_teacher",
    "checkpoint_of",
    "rounds_of",
    "taught",
    "tutor_of",
]

#: What trains a teacher.
TeacherJob = TrainingJob | BoostingJob


@dataclass(frozen=True, slots=True)
class Tutor:
    """A teacher before it was asked: what it reads, and how its net is come by.

    Args:
        teacher: what the recipe says of it.
        learner: what it reads.
        stem: its net, or its trees.
        job: what trains it; None where the recipe names a checkpoint, or what is only asked.  Of
            one that others teach it lacks what they say: :func:`taught` adds it.
        folds: what trains it without the rows of each fold, where it is cross-fitted.
        at: ``[row]`` fold of each training row; None where it is not.
        given: the teacher itself, where it is only asked.
    """

    teacher: Teacher
    learner: Learner
    stem: Path
    job: TeacherJob | None
    folds: tuple[TeacherJob, ...] = ()
    at: npt.NDArray[np.int64] | None = None
    given: Given | None = None

    @property
    def jobs(self) -> list[TeacherJob]:
        """What is trained for it, in that order."""
        return [*self.folds, *([] if self.job is None else [self.job])]


@dataclass(frozen=True, slots=True)
class AskedTeacher:
    """A teacher that is trained and was asked: its cache of every split.

    Args:
        name: its name.
        record: of its training.
        caches: split -> what it says of every row.
        stem: its net.
        lacking: (split, input) -> what it says of the rows without that input, where it can do
            without.
    """

    name: str
    record: NetRecord
    caches: Mapping[str, TeacherCache]
    stem: Path
    lacking: Mapping[tuple[str, str], TeacherCache] = field(
        default_factory=dict["tuple[str, str]", TeacherCache]
    )


def tutor_of(work: Work, teacher: Teacher) -> Tutor:
    """A teacher of the recipe, with the rows as it reads them.

    Raises:
        UsageError: a checkpoint that is not there, or that reads other inputs than the recipe's.
        DataError: a checkpoint of other tasks or labels.
        RecipeError: code that may not run.
    """
    inputs = teacher_inputs(work.recipe, teacher.name, work.data.learned)
    seed = teacher_seed(work.recipe, teacher)
    learner = Learner(inputs, work.encode(inputs, seed))
    if isinstance(teacher.model, GivenModel):
        require_code_allowed(work.loaded, work.allow_code)
        given = given_teacher(work.recipe, teacher, inputs, _tasks(work, teacher))
        return Tutor(teacher, learner, work.run.teachers / teacher.name, None, given=given)
    if teacher.checkpoint is not None:
        return Tutor(teacher, learner, checkpoint_of(teacher, inputs, _tasks(work, teacher)), None)
    boosted = isinstance(teacher.model, BoostingModel)
    job = (boosting_job if boosted else _job)(work, teacher, learner)
    if teacher.folds is None:
        return Tutor(teacher, learner, job.stem, job)
    at = fold_of_rows(work.data, job.tasks, teacher.folds, seed)
    folds = tuple(_without_fold(work, job, at, fold) for fold in range(teacher.folds))
    return Tutor(teacher, learner, job.stem, job, folds, at)


def rounds_of(tutors: Sequence[Tutor]) -> list[list[Tutor]]:
    """Teachers in the order in which they can be trained: who is taught, behind those who teach.

    Args:
        tutors: all of them, in the recipe's order.
    """
    found: list[list[Tutor]] = []
    round_of: dict[str, int] = {}
    for tutor in tutors:
        at = max((round_of[one] + 1 for one in tutor.teacher.taught_by), default=0)
        round_of[tutor.teacher.name] = at
        if at == len(found):
            found.append([])
        found[at].append(tutor)
    return found


def taught(work: Work, tutor: Tutor, asked: Asked) -> Tutor:
    """A teacher with what those say who teach it: its jobs are known then.

    Args:
        work: the run.
        tutor: the teacher.
        asked: the teachers that were asked, those of this one among them.
    """
    teacher, job = tutor.teacher, tutor.job
    if not teacher.taught_by or not isinstance(job, TrainingJob):
        return tutor
    lessons = work.recipe.learned_by(teacher)
    knowledge = knowledge_for(work, lessons, tutor.learner, asked, teacher.name)
    folds = [replace(one, knowledge=knowledge) for one in tutor.folds]
    return replace(tutor, job=replace(job, knowledge=knowledge), folds=tuple(folds))


def ask_teacher(work: Work, tutor: Tutor) -> AskedTeacher:
    """Train or load a teacher, and cache what it says of every row; what is there is taken over.

    Raises:
        IntegrityError: a net or cache that is damaged.
        Interrupted: stopped; the state was saved.
    """
    name, stem = tutor.teacher.name, tutor.stem
    folds = [_speaker(tutor, job.stem, _made(work, job)) for job in tutor.folds]
    record = _record(work, tutor)
    speak = _speak(tutor, record)
    speakers = {split: speak(work.data.rows[split]) for split in SPLITS}
    if tutor.at is not None:
        split = tutor.learner.splits["train"]
        speakers["train"] = CrossFitted(folds, speakers["train"], tutor.at, split)
    caches = _caches(work, tutor.teacher, speakers, tutor.learner)
    detail = f"{caches['train'].bytes / 1e6:,.1f} MB"
    work.on_event(StageEvent(f"cache {name}", detail, skipped=caches["train"].reused))
    return AskedTeacher(name, record, caches, stem, _lacking(work, tutor, speak))


def _tasks(work: Work, teacher: Teacher) -> list[TaskSpec]:
    """What it answers.  Teachers reject by probability: of many of them there is nothing else."""
    own = [task for task in work.tasks if task.name in teacher.tasks]
    return [without_prototypes(task) for task in own]


def _job(work: Work, teacher: Teacher, learner: Learner) -> TrainingJob:
    assert not isinstance(teacher.model, NoNet)
    tasks = _tasks(work, teacher)
    settings = teacher_settings(work.recipe, teacher, work.data.checks["train"])
    return TrainingJob(
        name=f"teacher {teacher.name}",
        build=partial(fresh_net, teacher.model, learner.inputs, tasks, settings.seed),
        origin=origin_of(teacher.model),
        tasks=tasks,
        train=learner.splits["train"],
        validation=learner.splits["validation"],
        settings=settings,
        stem=work.run.teachers / teacher.name,
        checkpoints=work.run.checkpoints_of(f"teacher-{teacher.name}"),
        tokenizers=learner.inputs.tokenizers,
        fitted=learner.inputs.fitted,
        rows=work.data.rows["train"],
    )


def _without_fold(work: Work, job: TeacherJob, at: npt.NDArray[np.int64], fold: int) -> TeacherJob:
    """The job of a fold's teacher: all is as the final one's is, but the rows that it is shown."""
    name = f"{job.stem.name}-{fold + 1}"
    return replace(
        job,
        name=f"{job.name} {fold + 1}/{at.max() + 1}",
        stem=work.run.teachers / "folds" / name,
        checkpoints=work.run.checkpoints_of(f"fold-{name}"),
        hidden=np.flatnonzero(at == fold),
    )


def _made(work: Work, job: TeacherJob) -> NetRecord:
    if isinstance(job, BoostingJob):
        return grow_trees(job, on_event=work.on_event)
    return train_net(job, resume=work.resume, reuse=True, on_event=work.on_event)


def _speaker(tutor: Tutor, stem: Path, record: NetRecord) -> Speaker:
    if isinstance(tutor.teacher.model, BoostingModel):
        return trees_that_speak(stem, record.weights)
    return NetTeacher(partial(load_net, stem), describe_net(stem).tasks, record.weights)


def _speak(tutor: Tutor, record: NetRecord) -> Callable[..., Speaker]:
    """What answers some rows, and their specs where they lack an input; nets are the same for all.

    A teacher that reads rows by column is one over these very rows.
    """
    if tutor.given is not None:
        return tutor.given.over
    speaker = _speaker(tutor, tutor.stem, record)
    return lambda *rows: speaker


def _record(work: Work, tutor: Tutor) -> NetRecord:
    if tutor.job is not None:
        return _made(work, tutor.job)
    if tutor.given is not None:
        record = tutor.given.record(tutor.given.over(work.data.rows["train"]).fingerprint)
        write_record(tutor.stem, record)
        detail = "; ".join(("asked as it is, not trained", *tutor.given.notes))
        work.on_event(StageEvent(f"teacher {tutor.teacher.name}", detail, skipped=True))
        return record
    name = tutor.teacher.name
    kept, split = work.run.teachers / name, tutor.learner.splits["validation"]
    if isinstance(tutor.teacher.model, BoostingModel):
        trees = describe_boosted(tutor.stem).trees
        record = loaded_record(tutor.stem, kept, split, trees, measured_trees)
    else:
        weights = describe_net(tutor.stem).weights
        record = loaded_record(tutor.stem, kept, split, weights, measured_net)
    work.on_event(StageEvent(f"teacher {name}", str(tutor.stem), skipped=True))
    return record


def _caches(
    work: Work, teacher: Teacher, speakers: Mapping[str, Speaker], learner: Learner
) -> dict[str, TeacherCache]:
    features = followed_layers(work.recipe, teacher.name)
    return {
        split: cache_outputs(
            speaker,
            learner.splits[split],
            work.cache / "teachers",
            tasks=_tasks(work, teacher),
            # The student follows features on rows that it trains on, nowhere else.
            features=features if split == "train" else (),
            # What it says of other rows is decoded for the report, from all classes.
            top_k=teacher.top_k if split == "train" else None,
            batch_size=speaker.batch_size,
            device=work.recipe.train.device,
            on_event=work.on_event,
        )
        for split, speaker in speakers.items()
    }


def _lacking(
    work: Work, tutor: Tutor, speak: Callable[..., Speaker]
) -> dict[tuple[str, str], TeacherCache]:
    """What a teacher says of the rows without each input that may be absent."""
    found: dict[tuple[str, str], TeacherCache] = {}
    for one in (part for split in JUDGED for part in lacked(work.data, split)):
        inputs = teacher_without(tutor.learner.inputs, one)
        if inputs is not None:
            speaker = speak(one.rows, inputs.specs)
            found[one.key] = cache_outputs(
                speaker,
                work.encode_lacking(one.rows, inputs),
                work.cache / "teachers",
                tasks=_tasks(work, tutor.teacher),
                batch_size=speaker.batch_size,
                device=work.recipe.train.device,
                on_event=work.on_event,
            )
    return found


def checkpoint_of(teacher: Teacher, inputs: ModelInputs, tasks: Sequence[TaskSpec]) -> Path:
    """The stem of a trained teacher that the recipe names, which must fit it.

    Raises:
        UsageError: a checkpoint that is not there, or that reads other inputs than the recipe's.
        DataError: a checkpoint of other tasks or labels.
    """
    assert teacher.checkpoint is not None
    if isinstance(teacher.model, BoostingModel):
        return boosting_checkpoint(teacher, inputs, tasks)
    stem = trained_stem(teacher.checkpoint, whose="checkpoint")
    found = describe_net(stem)
    way = "state the checkpoint's own under `inputs` of this teacher"
    require_same_inputs(found, inputs, f"checkpoint {stem}", way)
    speaker = NetTeacher(partial(load_net, stem), found.tasks, found.weights)
    for task in tasks:
        label_order(speaker, task)
    return stem
