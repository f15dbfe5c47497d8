"""What the tests of logit losses share: tasks, every loss with options, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.loss import Given, Loss
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.recipe.schema.logits import LogitLoss
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import MISSING, Activation, TaskName, TaskSpec

TEMPERATURES = [0.5, 1.0, 2.0, 8.0]


def spec(kind: str, labels: str = "", **decode: float) -> TaskSpec:
    return TaskSpec(TaskName("t"), kind, tuple(labels), "", decode=decode)


TASKS = {
    one.kind: one
    for one in (
        spec("binary", "ny"),
        spec("classification", "abcd"),
        spec("multi_label", "abcde"),
        spec("ordinal", "12345"),
        spec("regression", mean=10.0, spread=4.0),
    )
}
#: Name of a loss -> its options in a recipe that states none.
DEFAULTS: dict[str, dict[str, Any]] = {
    kind_of(part, "kind"): part().model_dump(exclude={"kind"})
    for part in members(get_args(LogitLoss)[0])
}


def activation_of(task: TaskSpec) -> Activation:
    return next(iter(outputs_of(task).values())).activation


def channels_of(task: TaskSpec) -> int:
    return next(iter(outputs_of(task).values())).channels


def fits(name: str, task: TaskSpec) -> bool:
    loss = LOGIT_LOSSES[name]
    return (
        activation_of(task) in loss.activations
        and (not loss.kinds or task.kind in loss.kinds)
        and channels_of(task) >= loss.fewest_channels
    )


#: Every loss with every task that it is for, as a recipe makes it by default, and z-scored.
CASES = [
    pytest.param(name, task, options, id=f"{name}-{task.kind}{'-z' * (options != default)}")
    for name, default in DEFAULTS.items()
    for task in TASKS.values()
    if fits(name, task)
    for options in (
        [default, {**default, "standardise": True}]
        if "standardise" in default and activation_of(task) == "softmax"
        else [default]
    )
]


def made(name: str, task: TaskSpec, options: Mapping[str, Any]) -> Loss:
    return LOGIT_LOSSES[name](task, **options)


def random_targets(task: TaskSpec, items: int) -> dict[str, Tensor]:
    """Every third item has no label."""
    generator = torch.Generator().manual_seed(7)
    if task.kind == "regression":
        values = 10 + 4 * torch.randn(items, generator=generator)
        values[::3] = torch.nan
        return {"values": values}
    if task.kind == "multi_label":
        labels = torch.randint(0, 2, (items, len(task.labels)), generator=generator)
    else:
        labels = torch.randint(0, len(task.labels), (items,), generator=generator)
    labels[::3] = MISSING
    return {"labels": labels}


def given(
    task: TaskSpec,
    student: Tensor,
    teacher: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    weights: Tensor | None = None,
    targets: Mapping[str, Tensor] | None = None,
) -> Given:
    """What a loss is given of items that all count, a third of them without a label."""
    return Given(
        torch.ones(len(student), dtype=student.dtype) if weights is None else weights,
        temperature=temperature,
        activation=activation_of(task),
        student_logits=student,
        teacher_logits=teacher,
        targets=random_targets(task, len(student)) if targets is None else targets,
    )


def gradient(loss: Loss, one: Given) -> Tensor:
    """Of the loss with respect to the student's logits."""
    student = one.student_logits
    assert student is not None
    (found,) = torch.autograd.grad(loss(one), student)
    return found
