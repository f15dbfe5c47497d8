"""From a recipe's fields to the plain arguments of the stages: the one place that knows both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kd2edge.distill import (
    LABELS_ALONE,
    DistillSettings,
    Explosion,
    FeatureSpec,
    FeedSpec,
    LongTailSpec,
    Method,
    Mixup,
    Sampling,
    Schedule,
    Support,
    TrainSettings,
)
from kd2edge.distill.method import made
from kd2edge.distill.schedules import SCHEDULES
from kd2edge.nets.spec import ModelSpec
from kd2edge.recipe import Recipe, by_task
from kd2edge.recipe.schema import (
    BoostingModel,
    ConvModel,
    JointModel,
    Model,
    Static,
    StaticModel,
    Teacher,
    Train,
    TransformersModel,
)
from kd2edge.recipe.schema.base import Part
from kd2edge.rows.check import SplitCheck
from kd2edge.tasks.spec import TaskName
from kd2edge.teacher.boosted import BoostingSettings
from kd2edge.teacher.joins import JOINS, Join

__all__ = [
    "balance_method",
    "baseline_settings",
    "boosting_settings",
    "feature_specs",
    "joins",
    "judged",
    "logit_losses",
    "long_tails",
    "model_spec",
    "student_settings",
    "taught_tasks",
    "teacher_seed",
    "teacher_settings",
    "values_of",
]


def model_spec(model: Model) -> ModelSpec:
    """What a net is made of."""
    if isinstance(model, JointModel):
        encoders = {name: model_spec(one) for name, one in model.encoders.items()}
        fusion = model.fusion.model_dump()
        return ModelSpec(model.family, dropout=model.dropout, encoders=encoders, fusion=fusion)
    if isinstance(model, ConvModel | StaticModel):
        shape = model.config.model_dump(mode="json")
        return ModelSpec(model.family, shape, model.pooling, model.dropout)
    if not isinstance(model, TransformersModel):
        return ModelSpec(model.family, dict(model.config), dropout=model.dropout)
    return ModelSpec(
        model.family, dict(model.config), model.pooling, model.dropout, model.source is not None
    )


def teacher_seed(recipe: Recipe, teacher: Teacher) -> int:
    """The seed of a teacher's weights, order and folds."""
    return recipe.seed if teacher.seed is None else teacher.seed


def teacher_settings(recipe: Recipe, teacher: Teacher, check: SplitCheck) -> TrainSettings:
    """How a teacher is trained, on the device of the recipe: on labels alone, or as it is taught.

    Of those who teach it, it hears the word and follows no features; its tasks are summed.

    Args:
        recipe: the recipe.
        teacher: one of its nets that is trained.
        check: of the training rows.
    """
    assert teacher.train is not None
    own, run = teacher.train, recipe.train
    return TrainSettings(
        **own.model_dump(),
        seed=teacher_seed(recipe, teacher),
        precision=run.precision,
        device=run.device,
        threads=run.threads,
        checkpoint_every=run.checkpoint_every,
        explosion=_explosion(run),
        max_steps=None,
        sampling=None,
        mixup=None,
        distill=_lessons(recipe.learned_by(teacher), check) if teacher.taught_by else LABELS_ALONE,
    )


def _explosion(train: Train) -> Explosion | None:
    return None if train.explosion is None else Explosion(**train.explosion.model_dump())


def _lessons(recipe: Recipe, check: SplitCheck) -> DistillSettings:
    distill, tasks = recipe.distill, [TaskName(name) for name in recipe.tasks]
    return replace(
        LABELS_ALONE,
        alpha=_counted(distill.alpha, tasks, check),
        temperature=values_of(distill.temperature, tasks),
        logits=_methods(distill.logits, tasks),
    )


def boosting_settings(model: BoostingModel, seed: int) -> BoostingSettings:
    """How boosted trees are grown."""
    return BoostingSettings(**model.model_dump(exclude={"family"}), seed=seed)


def student_settings(recipe: Recipe, tasks: Sequence[TaskName], check: SplitCheck) -> TrainSettings:
    """How the student is trained.

    Args:
        recipe: the recipe.
        tasks: of the student.
        check: of the training rows.
    """
    distill = recipe.distill
    balance = distill.balance
    settings = DistillSettings(
        alpha=_counted(distill.alpha, tasks, check),
        temperature=values_of(distill.temperature, tasks),
        sample_weight=_counted(distill.sample_weight, tasks, check),
        weight=values_of(balance.weights, tasks) if isinstance(balance, Static) else 1.0,
        logits=_methods(distill.logits, tasks),
        features=feature_specs(recipe),
        feed=feed_specs(recipe),
        balance=balance_method(recipe),
        long_tail={
            task: LongTailSpec(method, _support(check, task))
            for task, method in long_tails(recipe, tasks).items()
            if method.kind != "none"
        },
        mutual=distill.mutual_weight,
    )
    own = recipe.train.model_dump(exclude={"explosion", "mixup", "sampling"})
    mixed, sampled = recipe.train.mixup, recipe.train.sampling
    return TrainSettings(
        **own,
        seed=recipe.seed,
        max_steps=None,
        explosion=_explosion(recipe.train),
        sampling=None if sampled is None else Sampling(sampled.temperature, sampled.over),
        mixup=None if mixed is None else Mixup(mixed.alpha, mixed.at),
        distill=settings,
    )


def baseline_settings(
    recipe: Recipe, tasks: Sequence[TaskName], check: SplitCheck, steps: int
) -> TrainSettings:
    """How the student is trained on labels alone.

    Args:
        recipe: the recipe.
        tasks: of the student.
        check: of the training rows.
        steps: of the student: as many, where the recipe does not say otherwise.
    """
    student = student_settings(recipe, tasks, check)
    nobody = replace(student.distill, alpha=0.0, features=(), feed=(), mutual=0.0)
    alone = replace(student, distill=nobody)
    own = recipe.baseline
    if isinstance(own, bool):
        return replace(alone, max_steps=steps)
    return replace(alone, epochs=own.epochs, lr=alone.lr if own.lr is None else own.lr)


def _named(value: Any, tasks: Sequence[TaskName]) -> dict[TaskName, Any]:
    """A recipe's scalar or map by task, as a map."""
    by_name = by_task(value, list(tasks))
    return {task: by_name[task] for task in tasks}


def values_of(value: Any, tasks: Sequence[TaskName]) -> dict[TaskName, float | Schedule]:
    """A number or a schedule for each task.

    Args:
        value: a field of ``distill`` that is either, or a map of these by task.
        tasks: of the student.
    """
    return {
        task: made("distill", SCHEDULES, _method(one)) if isinstance(one, Part) else one
        for task, one in _named(value, tasks).items()
    }


def _counted(
    value: Any, tasks: Sequence[TaskName], check: SplitCheck
) -> dict[TaskName, float | Schedule]:
    """Likewise, with schedules that know the counts of the training rows."""
    return {
        task: one.counted(_support(check, task)) if isinstance(one, Schedule) else one
        for task, one in values_of(value, tasks).items()
    }


def logit_losses(recipe: Recipe, tasks: Sequence[TaskName]) -> dict[TaskName, Method]:
    """How the outputs of the tasks that somebody teaches are compared; with peers of all.

    Args:
        recipe: the recipe.
        tasks: of the student.
    """
    known = tasks if recipe.distill.mutual_weight > 0 else taught_tasks(recipe, tasks)
    return _methods(recipe.distill.logits, known)


def taught_tasks(recipe: Recipe, tasks: Sequence[TaskName]) -> list[TaskName]:
    """The tasks that teachers have a say in.

    Args:
        recipe: the recipe.
        tasks: of the student.
    """
    alpha = _named(recipe.distill.alpha, tasks)
    return [task for task in tasks if recipe.teachers_of(task) and alpha[task] != 0]


def judged(recipe: Recipe, tasks: Sequence[TaskName]) -> list[TaskName]:
    """The tasks with a teacher whose alpha asks what their teachers lack on the validation rows.

    Args:
        recipe: the recipe.
        tasks: of the student.
    """
    alpha = values_of(recipe.distill.alpha, tasks)
    asking = [task for task in tasks if isinstance(one := alpha[task], Schedule) and one.by_skill]
    return [task for task in asking if recipe.teachers_of(task)]


def joins(recipe: Recipe, tasks: Sequence[TaskName]) -> dict[TaskName, Join]:
    """How the teachers of each task that has several answer together.

    Args:
        recipe: the recipe.
        tasks: of the student.
    """
    several = [task for task in tasks if len(recipe.teachers_of(task)) > 1]
    methods = _methods(recipe.distill.join, several)
    return {task: made(f"join of {task}", JOINS, method) for task, method in methods.items()}


def long_tails(recipe: Recipe, tasks: Sequence[TaskName]) -> dict[TaskName, Method]:
    """What makes the rare classes of each task count."""
    return _methods(recipe.distill.long_tail, tasks)


def balance_method(recipe: Recipe) -> Method:
    """How the losses of the tasks are combined; fixed weights are of the tasks, not of it."""
    return _method(recipe.distill.balance, without=("weights",))


def _support(check: SplitCheck, task: TaskName) -> Support:
    return Support(tuple(check.labels[task].values()), check.labelled_rows([task]))


def feature_specs(recipe: Recipe) -> tuple[FeatureSpec, ...]:
    """The hidden features that the student follows."""
    several = len({one.teacher for one in recipe.distill.features}) > 1
    usual = "z_score" if several else "none"
    return tuple(
        FeatureSpec(
            teacher=one.teacher,
            sources=one.teacher_layers,
            targets=one.student_layers,
            loss=_method(one.loss),
            projector=None if one.projector is None else _method(one.projector),
            weight=one.weight,
            standardise=usual if one.standardise is None else one.standardise,
        )
        for one in recipe.distill.features
    )


def feed_specs(recipe: Recipe) -> tuple[FeedSpec, ...]:
    """The features that the student is fed."""
    return tuple(
        FeedSpec(
            teacher=one.teacher,
            source=one.teacher_layer,
            target=one.student_layer,
            first=one.first,
            until=one.until,
            shape=one.shape,
            standardise=one.standardise,
        )
        for one in recipe.distill.feed
    )


def _methods(value: Any, tasks: Sequence[TaskName]) -> dict[TaskName, Method]:
    return {task: _method(part) for task, part in _named(value, tasks).items()}


def _method(part: Part, *, without: tuple[str, ...] = ()) -> Method:
    options = part.model_dump(exclude=set(without))
    return Method(str(options.pop("kind")), options)
