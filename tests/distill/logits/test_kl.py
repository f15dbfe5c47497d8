from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from distill.logits.cases import TASKS, TEMPERATURES
from distill.tiny import random_logits
from kd2edge.distill.logits.kl import KL, binary_kl, kl, value_kl
from kd2edge.distill.loss import Given, Need


def divergence(channels: int):  # noqa: ANN201
    return binary_kl if channels == 1 else kl


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_zero_when_student_equals_teacher(channels: int, temperature: float) -> None:
    same = random_logits(0, channels=channels)
    found = divergence(channels)(same, same, temperature)
    torch.testing.assert_close(found, torch.zeros_like(found))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_positive_when_they_differ(channels: int, temperature: float) -> None:
    found = divergence(channels)(
        random_logits(0, channels=channels), random_logits(1, channels=channels), temperature
    )
    assert (found > 0).all()


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_unchanged_by_adding_a_constant_to_logits(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    shifted = kl(student + 7, teacher - 100, temperature)
    torch.testing.assert_close(shifted, kl(student, teacher, temperature))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_binary_is_kl_of_the_two_logits(temperature: float) -> None:
    student, teacher = random_logits(0, channels=1), random_logits(1, channels=1)

    def both(yes: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(yes), yes], dim=1)

    torch.testing.assert_close(
        binary_kl(student, teacher, temperature),
        kl(both(student), both(teacher), temperature),
    )


def test_values_computed_by_hand() -> None:
    teacher = torch.tensor([[math.log(3.0), 0.0]])  # 3/4, 1/4
    student = torch.tensor([[0.0, 0.0]])  # 1/2, 1/2
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert kl(student, teacher, 1.0).item() == pytest.approx(expected, rel=1e-6)
    assert binary_kl(student[:, :1], teacher[:, :1], 1.0).item() == pytest.approx(
        expected, rel=1e-6
    )
    # At T = 2 the teacher says sqrt(3) : 1.
    share = math.sqrt(3) / (1 + math.sqrt(3))
    softened = share * math.log(share / 0.5) + (1 - share) * math.log((1 - share) / 0.5)
    assert kl(student, teacher, 2.0).item() == pytest.approx(4 * softened, rel=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_T_times_the_difference_of_softened_probabilities(
    channels: int, temperature: float
) -> None:
    student = random_logits(0, channels=channels).requires_grad_()
    teacher = random_logits(1, channels=channels)
    divergence(channels)(student, teacher, temperature).sum().backward()
    soften = torch.sigmoid if channels == 1 else (lambda one: torch.softmax(one, dim=-1))
    expected = temperature * (
        soften(student.detach() / temperature) - soften(teacher / temperature)
    )
    assert student.grad is not None
    torch.testing.assert_close(student.grad, expected)


def test_gradient_keeps_its_size_as_T_grows() -> None:
    """At high T the gradient tends to (student - teacher) / classes, without T in it."""
    student, teacher = random_logits(0).requires_grad_(), random_logits(1)
    kl(student, teacher, 1e5).sum().backward()
    centred = student.detach() - teacher
    expected = (centred - centred.mean(1, keepdim=True)) / 4
    assert student.grad is not None
    torch.testing.assert_close(student.grad, expected, rtol=1e-2, atol=1e-3)


def test_items_have_their_own_temperature() -> None:
    student, teacher = random_logits(0, items=2), random_logits(1, items=2)
    temperature = torch.tensor([[1.0], [4.0]], dtype=torch.float64)
    found = kl(student, teacher, temperature)
    singly = torch.stack([kl(student[i], teacher[i], t) for i, t in enumerate((1.0, 4.0))])
    torch.testing.assert_close(found, singly)


def test_extreme_logits_stay_finite() -> None:
    student, teacher = torch.tensor([[80.0, -80.0]]), torch.tensor([[-6e4, 6e4]])
    assert kl(student, teacher, 1.0).isfinite().all()
    assert binary_kl(student[:, :1], teacher[:, :1], 1.0).isfinite().all()


def test_a_loss_is_given_only_what_it_states() -> None:
    given = Given(weights=torch.ones(2), student_logits=torch.ones(2, 3))
    with pytest.raises(LookupError, match="teacher logits"):
        KL(TASKS["classification"], standardise=False)(given)
    assert KL.needs == {Need.STUDENT_LOGITS, Need.TEACHER_LOGITS}


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_the_divergence_of_values_is_that_of_normal_distributions(temperature: float) -> None:
    student, teacher = torch.randn(5, 1), torch.randn(5, 1)
    given = Given(
        torch.ones(5), temperature=temperature, student_logits=student, teacher_logits=teacher,
        activation="none",
    )  # fmt: skip
    normal = torch.distributions.Normal
    one, other = (normal(part / temperature, 1.0) for part in (teacher, student))
    wanted = torch.distributions.kl_divergence(one, other).mean() * temperature**2
    assert float(KL(TASKS["regression"], standardise=False)(given)) == pytest.approx(
        float(wanted), rel=1e-5
    )
    assert value_kl(student, student, temperature).abs().max() == 0
