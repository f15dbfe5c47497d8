from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import TASKS, TEMPERATURES, given
from distill.tiny import random_logits
from kd2edge.distill.logits.kl import kl
from kd2edge.distill.logits.ranked_probability import RankedProbability, squared_distance
from kd2edge.distill.tasks.ordinal import ranked_probability

TASK = TASKS["ordinal"]


def below(logits: Tensor, temperature: float) -> np.ndarray:
    """The chance of each level or a lower one, by NumPy."""
    raised = np.exp(logits.numpy() / temperature)
    return np.cumsum(raised / raised.sum(1, keepdims=True), axis=1)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_is_the_squared_distance_of_cumulative_distributions(temperature: float) -> None:
    student, teacher = random_logits(0, channels=5), random_logits(1, channels=5)
    apart = below(student, temperature) - below(teacher, temperature)
    expected = (apart**2).sum(1) * temperature**2
    np.testing.assert_allclose(squared_distance(student, teacher, temperature), expected)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_loss_is_the_divergence_and_the_distance(temperature: float) -> None:
    student, teacher = random_logits(0, channels=5), random_logits(1, channels=5)
    both = (student, teacher, temperature)
    found = RankedProbability(TASK)(given(TASK, student, teacher, temperature=temperature))
    torch.testing.assert_close(found, (kl(*both) + squared_distance(*both)).mean())


def test_a_sure_teacher_is_a_label() -> None:
    student, labels = random_logits(0, channels=5), torch.tensor([0, 4, 2, 1, 3, 3])
    teacher = 1e3 * torch.nn.functional.one_hot(labels, 5).double()
    torch.testing.assert_close(
        squared_distance(student, teacher, 1.0), ranked_probability(student, labels)
    )


def test_far_levels_are_worse_than_near_ones() -> None:
    teacher, *students = (20.0 * torch.eye(5, dtype=torch.float64)[[at]] for at in (4, 4, 3, 2, 0))
    distances = [squared_distance(one, teacher, 1.0).item() for one in students]
    assert distances == pytest.approx([0, 1, 2, 4], abs=1e-6)
    divergences = [kl(one, teacher, 1.0).item() for one in students[1:]]
    assert max(divergences) == pytest.approx(min(divergences))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_zero_when_student_equals_teacher(temperature: float) -> None:
    same = random_logits(0, channels=5)
    found = RankedProbability(TASK)(given(TASK, same, same, temperature=temperature))
    assert found.item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_unchanged_by_adding_a_constant_to_logits(temperature: float) -> None:
    student, teacher = random_logits(0, channels=5), random_logits(1, channels=5)
    torch.testing.assert_close(
        squared_distance(student + 7, teacher - 100, temperature),
        squared_distance(student, teacher, temperature),
    )


def test_gradient_keeps_its_size_as_T_grows() -> None:
    student, teacher = random_logits(0, channels=5).requires_grad_(), random_logits(1, channels=5)
    sizes = [
        torch.autograd.grad(squared_distance(student, teacher, one).sum(), student)[0].norm()
        for one in (100.0, 1000.0)
    ]
    torch.testing.assert_close(sizes[0], sizes[1], rtol=0.05, atol=0)
    assert sizes[0] > 0.1
