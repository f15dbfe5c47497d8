"""From a recipe's fields to the plain arguments of the stages: the one place that knows both."""

from __future__ import annotations

from collections.abc import Sequence

from kd2edge.distill import DistillSettings, HintSpec, Method, TrainSettings
from kd2edge.nets.spec import ModelSpec
from kd2edge.recipe import Recipe, by_task
from kd2edge.recipe.schema import CnnModel, Static, Teacher, TransformersModel
from kd2edge.recipe.schema.base import Part

__all__ = ["model_spec", "student_settings", "teacher_settings"]


def model_spec(model: TransformersModel | CnnModel) -> ModelSpec:
    """What a net is made of."""
    if isinstance(model, CnnModel):
        return ModelSpec(model.family, dict(model.config), dropout=model.dropout)
    return ModelSpec(
        model.family, dict(model.config), model.pooling, model.dropout, model.source is not None
    )


def teacher_settings(recipe: Recipe, teacher: Teacher) -> TrainSettings:
    """How a teacher is trained: on hard labels alone, on the device of the recipe."""
    assert teacher.train is not None
    own, run = teacher.train, recipe.train
    return TrainSettings(
        **own.model_dump(),
        seed=recipe.seed,
        precision=run.precision,
        device=run.device,
        threads=run.threads,
        checkpoint_every=run.checkpoint_every,
        distill=DistillSettings(alpha=0.0),
    )


def student_settings(recipe: Recipe, tasks: Sequence[str], *, max_steps: int | None) -> TrainSettings:
    """How the student is trained.

    ``max_steps`` is for a baseline, which learns from labels alone: with it, alpha is 0 and there
    are no hints.
    """
    taught = max_steps is None
    distill = recipe.distill
    balance = distill.balance
    weights = by_task(balance.weights, tasks) if isinstance(balance, Static) else 1.0
    settings = DistillSettings(
        alpha=by_task(distill.alpha, tasks) if taught else 0.0,
        temperature=by_task(distill.temperature, tasks),
        weight=weights,
        logits={task: _method(loss) for task, loss in by_task(distill.logits, tasks).items()},
        hints=_hints(recipe) if taught else (),
        balance=Method(balance.kind),
    )
    return TrainSettings(
        **recipe.train.model_dump(), seed=recipe.seed, max_steps=max_steps, distill=settings
    )


def _hints(recipe: Recipe) -> tuple[HintSpec, ...]:
    return tuple(
        HintSpec(
            teacher=one.teacher,
            source=one.teacher_layer,
            target=one.student_layer,
            loss=_method(one.loss),
            projector=one.projector.kind,
            weight=one.weight,
        )
        for one in recipe.distill.features
    )


def _method(part: Part) -> Method:
    options = part.model_dump()
    return Method(str(options.pop("kind")), options)
