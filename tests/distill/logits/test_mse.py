from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.logits.cases import TASKS, TEMPERATURES, given
from distill.tiny import random_logits
from kd2edge.distill.logits.kl import binary_kl, kl, value_kl
from kd2edge.distill.logits.mse import MSE, binary_mse, mse, value_mse
from kd2edge.teacher.joins.mixture import mixture


def test_is_half_the_mean_square_of_centred_differences() -> None:
    student, teacher = random_logits(0), random_logits(1)
    centred = [one.numpy() - one.numpy().mean(1, keepdims=True) for one in (student, teacher)]
    expected = ((centred[0] - centred[1]) ** 2).mean(1) / 2
    np.testing.assert_allclose(mse(student, teacher).numpy(), expected)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_is_what_the_divergence_tends_to_as_T_grows(channels: int) -> None:
    student, teacher = (random_logits(at, channels=channels) for at in (0, 1))
    torch.testing.assert_close(mse(student, teacher), kl(student, teacher, 1e4), rtol=1e-3, atol=0)
    torch.testing.assert_close(
        binary_mse(student, teacher), binary_kl(student, teacher, 1e4), rtol=1e-3, atol=0
    )


def test_binary_is_that_of_the_two_logits() -> None:
    student, teacher = random_logits(0, channels=1), random_logits(1, channels=1)
    both = [torch.cat([torch.zeros_like(yes), yes], 1) for yes in (student, teacher)]
    torch.testing.assert_close(binary_mse(student, teacher), mse(*both))


def test_of_values_it_is_half_the_squared_difference() -> None:
    student, teacher = random_logits(0, channels=1), random_logits(1, channels=1)
    expected = ((student - teacher).numpy()[:, 0] ** 2) / 2
    np.testing.assert_allclose(value_mse(student, teacher).numpy(), expected)
    torch.testing.assert_close(value_mse(student, teacher), value_kl(student, teacher, 2.0))


def test_unchanged_by_adding_a_constant_to_the_logits_of_a_softmax() -> None:
    student, teacher = random_logits(0), random_logits(1)
    torch.testing.assert_close(mse(student + 7, teacher - 100), mse(student, teacher))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_one_teacher_twice_is_that_teacher(temperature: float) -> None:
    """Joined logits come with another constant: the centred form does not see it."""
    student, teacher = random_logits(0), random_logits(1)
    shares = torch.tensor([1 / 3, 2 / 3]).unsqueeze(-1).expand(2, len(teacher))
    twice = mixture(torch.stack([teacher, teacher]), shares, temperature, "softmax")
    assert not torch.allclose(twice, teacher)
    torch.testing.assert_close(mse(student, twice), mse(student, teacher))


@pytest.mark.parametrize("kind", ["classification", "multi_label", "regression"])
def test_zero_when_student_equals_teacher_at_any_temperature(kind: str) -> None:
    same, task = random_logits(0, channels=4), TASKS[kind]
    loss = MSE(task)
    assert loss(given(task, same, same)).item() == 0
    other = random_logits(1, channels=4)
    found = [loss(given(task, same, other, temperature=one)).item() for one in TEMPERATURES]
    assert len(set(found)) == 1
    assert found[0] > 0
