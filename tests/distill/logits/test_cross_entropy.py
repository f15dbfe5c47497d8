from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import TEMPERATURES
from distill.tiny import random_logits
from kd2edge.distill.logits.cross_entropy import binary_cross_entropy, cross_entropy
from kd2edge.distill.logits.kl import binary_kl, kl


def softmax(logits: Tensor, temperature: float) -> np.ndarray:
    raised = np.exp(logits.detach().numpy() / temperature)
    return raised / raised.sum(1, keepdims=True)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_is_the_teachers_mean_of_the_students_surprise(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    wanted, found = softmax(teacher, temperature), softmax(student, temperature)
    expected = -(wanted * np.log(found)).sum(1) * temperature**2
    np.testing.assert_allclose(cross_entropy(student, teacher, temperature).numpy(), expected)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_binary_is_that_of_the_two_logits(temperature: float) -> None:
    student, teacher = random_logits(0, channels=1), random_logits(1, channels=1)
    both = [torch.cat([torch.zeros_like(yes), yes], 1) for yes in (student, teacher)]
    torch.testing.assert_close(
        binary_cross_entropy(student, teacher, temperature), cross_entropy(*both, temperature)
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 4])
def test_is_the_divergence_and_the_teachers_entropy(channels: int, temperature: float) -> None:
    student, teacher = (random_logits(at, channels=channels) for at in (0, 1))
    crossed, divergence = (
        (binary_cross_entropy, binary_kl) if channels == 1 else (cross_entropy, kl)
    )
    left = crossed(student, teacher, temperature) - divergence(student, teacher, temperature)
    torch.testing.assert_close(left, crossed(teacher, teacher, temperature))
    assert (left > 0).all()


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 4])
def test_the_gradient_is_that_of_the_divergence(channels: int, temperature: float) -> None:
    student, teacher = (random_logits(at, channels=channels) for at in (0, 1))
    student.requires_grad_()
    pair = (binary_cross_entropy, binary_kl) if channels == 1 else (cross_entropy, kl)
    one, other = (
        torch.autograd.grad(loss(student, teacher, temperature).sum(), student)[0] for loss in pair
    )
    torch.testing.assert_close(one, other)


def test_unchanged_by_adding_a_constant_to_logits() -> None:
    student, teacher = random_logits(0), random_logits(1)
    torch.testing.assert_close(
        cross_entropy(student + 7, teacher - 100, 2.0), cross_entropy(student, teacher, 2.0)
    )
