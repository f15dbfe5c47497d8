"""What holds for every logit loss, as a recipe makes it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from distill.logits.cases import CASES, DEFAULTS, TASKS, channels_of, given, gradient, made
from distill.tiny import random_logits
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.logits.kl import KL
from kd2edge.distill.logits.logit_loss import squared
from kd2edge.tasks.spec import TaskSpec

Options = dict[str, Any]
each = pytest.mark.parametrize(("name", "task", "options"), CASES)


def test_every_loss_is_among_the_cases() -> None:
    assert {case.values[0] for case in CASES} == set(LOGIT_LOSSES) == set(DEFAULTS)


@each
def test_items_of_no_weight_count_for_nothing(name: str, task: TaskSpec, options: Options) -> None:
    student, teacher = (random_logits(at, channels=channels_of(task)) for at in (0, 1))
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    loss = made(name, task, options)

    def value(noise: float):  # noqa: ANN202
        other = [one.clone().requires_grad_() for one in (student, teacher)]
        with torch.no_grad():
            for at, one in enumerate(other):
                one[weights == 0] += noise * random_logits(5 + at, 2, channels_of(task))
        return gradient(loss, given(task, *other, weights=weights)), loss(
            given(task, *other, weights=weights)
        )

    (gradient_one, one), (gradient_two, two) = value(0.0), value(50.0)
    torch.testing.assert_close(one, two)
    torch.testing.assert_close(gradient_one, gradient_two)
    assert not gradient_one[weights == 0].any()
    assert gradient_one[weights == 1].any()


@each
def test_nothing_that_counts_is_a_loss_of_zero(name: str, task: TaskSpec, options: Options) -> None:
    student, teacher = (random_logits(at, channels=channels_of(task)) for at in (0, 1))
    one = given(task, student.requires_grad_(), teacher, weights=torch.zeros(6).double())
    loss = made(name, task, options)
    assert loss(one).item() == pytest.approx(0, abs=1e-12)
    assert not gradient(loss, one).any()


@each
@pytest.mark.parametrize("items", [0, 1, 6])
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(
    name: str, task: TaskSpec, options: Options, items: int, scale: float
) -> None:
    """Equal logits, usual ones, and ones that fp32 cannot exponentiate, against each other."""
    sizes = {"items": items, "channels": channels_of(task)}
    student, teacher = ((scale * random_logits(at, **sizes).sign()).float() for at in (0, 1))
    one = given(task, student.requires_grad_(), teacher, temperature=0.5)
    loss = made(name, task, options)
    assert loss(one).isfinite()
    assert gradient(loss, one).isfinite().all()


@each
def test_learns_what_the_teacher_says(name: str, task: TaskSpec, options: Options) -> None:
    """Steps against the gradient lower it; where the student is the teacher there is no step."""
    student, teacher = (random_logits(at, channels=channels_of(task)) for at in (0, 1))
    loss = made(name, task, options)
    one = given(task, student.requires_grad_(), teacher, temperature=2.0)
    moved = student.detach() - 0.01 * gradient(loss, one)
    assert loss(given(task, moved, teacher, temperature=2.0)) < loss(one)
    same = teacher.clone().requires_grad_()
    still = gradient(loss, given(task, same, teacher, temperature=2.0))
    torch.testing.assert_close(still, torch.zeros_like(still), rtol=0, atol=1e-6)


@each
def test_items_have_their_own_temperature(name: str, task: TaskSpec, options: Options) -> None:
    student, teacher = (random_logits(at, channels=channels_of(task)) for at in (0, 1))
    loss = made(name, task, options)
    uniform = torch.full((6, 1), 3.0, dtype=torch.float64)
    torch.testing.assert_close(
        loss(given(task, student, teacher, temperature=uniform)),
        loss(given(task, student, teacher, temperature=3.0)),
    )


@each
def test_single_precision_says_what_double_does(
    name: str, task: TaskSpec, options: Options
) -> None:
    student, teacher = (random_logits(at, channels=channels_of(task)) for at in (0, 1))
    loss = made(name, task, options)
    double = loss(given(task, student, teacher, temperature=2.0))
    single = loss(given(task, student.float(), teacher.float(), temperature=2.0))
    torch.testing.assert_close(single.double(), double, rtol=1e-4, atol=1e-5)


def test_only_softmax_of_three_labels_or_more_is_standardised() -> None:
    plain, scored = (KL(TASKS["binary"], standardise=one) for one in (False, True))
    assert (plain.activations, plain.fewest_channels) == (KL.activations, 1)
    assert (scored.activations, scored.fewest_channels) == ({"softmax"}, 3)


def test_the_square_is_one_an_item_where_the_temperature_is() -> None:
    assert squared(3.0) == 9.0
    assert torch.equal(squared(torch.tensor([[1.0], [2.0]])), torch.tensor([1.0, 4.0]))
