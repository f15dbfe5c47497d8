from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.logits.cases import TASKS, TEMPERATURES, given, gradient
from distill.tiny import random_logits
from kd2edge.distill.logits.bounded import Bounded, bounded

#: Mean 10 and spread 4: a label of 14 is a value of 1.
TASK = TASKS["regression"]


@pytest.mark.parametrize("margin", [0.0, 0.5, 3.0])
def test_is_the_squared_error_where_it_is_beyond_the_teachers(margin: float) -> None:
    student, teacher, wanted = (random_logits(at, items=40, channels=1) for at in (0, 1, 2))
    s, t, y = (one.numpy()[:, 0] for one in (student, teacher, wanted))
    error = (s - y) ** 2
    expected = np.where(error + margin > (t - y) ** 2, error, 0.0) / 2
    np.testing.assert_allclose(bounded(student, teacher, wanted, margin).numpy(), expected)
    assert 0 < (expected == 0).sum() < 40


def test_labels_are_in_the_unit_of_the_data() -> None:
    student, teacher = torch.tensor([[0.0], [0.0]]), torch.tensor([[0.5], [-3.0]])
    labels = {"values": torch.tensor([14.0, 14.0])}  # a value of 1: errors 1 against 0.5, and 4
    found = Bounded(TASK, margin=0.0)(given(TASK, student, teacher, targets=labels))
    assert found.item() == pytest.approx((0.5 + 0.0) / 2)


def test_an_item_without_a_label_follows_the_teacher() -> None:
    student, teacher = torch.tensor([[0.0], [0.0]]), torch.tensor([[2.0], [0.5]])
    labels = {"values": torch.tensor([torch.nan, 14.0])}
    found = Bounded(TASK, margin=0.0)(given(TASK, student, teacher, targets=labels))
    assert found.item() == pytest.approx((2.0 + 0.5) / 2)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_zero_when_student_equals_teacher_at_every_temperature(temperature: float) -> None:
    same, other = random_logits(0, channels=1), random_logits(1, channels=1)
    loss = Bounded(TASK, margin=0.0)
    assert loss(given(TASK, same, same, temperature=temperature)).item() == 0
    assert loss(given(TASK, same, other, temperature=temperature)) == loss(
        given(TASK, same, other, temperature=1.0)
    )


def test_a_margin_asks_for_more_than_the_teacher_reaches() -> None:
    same = random_logits(0, channels=1).requires_grad_()
    labels = {"values": 10 + 8 * torch.arange(6.0).double()}
    one = given(TASK, same, same.detach(), targets=labels)
    assert gradient(Bounded(TASK, margin=1e-3), one).all()
    assert not gradient(Bounded(TASK, margin=0.0), one).any()


def test_the_gradient_points_to_the_label_and_not_to_the_teacher() -> None:
    student, teacher = torch.tensor([[0.0]], requires_grad=True), torch.tensor([[-0.5]])
    teacher_is_below = {"values": torch.tensor([9.0])}  # -0.25: the errors are equal
    label_is_above = {"values": torch.tensor([9.2])}  # -0.2: the teacher's is larger
    loss = Bounded(TASK, margin=0.0)
    for labels in (teacher_is_below, label_is_above):
        assert gradient(loss, given(TASK, student, teacher, targets=labels)).item() == 0
    far = given(TASK, student, torch.tensor([[-0.1]]), targets={"values": torch.tensor([14.0])})
    near = given(TASK, student, torch.tensor([[0.9]]), targets={"values": torch.tensor([14.0])})
    assert gradient(loss, far).item() == 0
    assert gradient(loss, near).item() == pytest.approx(-1.0)  # student less label
