from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kd2edge.distill import losses
from kd2edge.distill.logits.kl import KL
from kd2edge.distill.loss import Given, Need
from kd2edge.tasks.spec import MISSING

TEMPERATURES = [0.5, 1.0, 2.0, 8.0]


def logits(seed: int, items: int = 6, channels: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(items, channels, generator=generator, dtype=torch.float64)


def divergence(channels: int):  # noqa: ANN201
    return losses.binary_kl if channels == 1 else losses.kl


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_zero_when_student_equals_teacher(channels: int, temperature: float) -> None:
    same = logits(0, channels=channels)
    found = divergence(channels)(same, same, temperature)
    torch.testing.assert_close(found, torch.zeros_like(found))


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_positive_when_they_differ(channels: int, temperature: float) -> None:
    found = divergence(channels)(
        logits(0, channels=channels), logits(1, channels=channels), temperature
    )
    assert (found > 0).all()


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_unchanged_by_adding_a_constant_to_logits(temperature: float) -> None:
    student, teacher = logits(0), logits(1)
    shifted = losses.kl(student + 7, teacher - 100, temperature)
    torch.testing.assert_close(shifted, losses.kl(student, teacher, temperature))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_binary_is_kl_of_the_two_logits(temperature: float) -> None:
    student, teacher = logits(0, channels=1), logits(1, channels=1)

    def both(yes: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(yes), yes], dim=1)

    torch.testing.assert_close(
        losses.binary_kl(student, teacher, temperature),
        losses.kl(both(student), both(teacher), temperature),
    )


def test_values_computed_by_hand() -> None:
    teacher = torch.tensor([[math.log(3.0), 0.0]])  # 3/4, 1/4
    student = torch.tensor([[0.0, 0.0]])  # 1/2, 1/2
    expected = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert losses.kl(student, teacher, 1.0).item() == pytest.approx(expected, rel=1e-6)
    assert losses.binary_kl(student[:, :1], teacher[:, :1], 1.0).item() == pytest.approx(
        expected, rel=1e-6
    )
    # At T = 2 the teacher says sqrt(3) : 1.
    share = math.sqrt(3) / (1 + math.sqrt(3))
    softened = share * math.log(share / 0.5) + (1 - share) * math.log((1 - share) / 0.5)
    assert losses.kl(student, teacher, 2.0).item() == pytest.approx(4 * softened, rel=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_T_times_the_difference_of_softened_probabilities(
    channels: int, temperature: float
) -> None:
    student = logits(0, channels=channels).requires_grad_()
    teacher = logits(1, channels=channels)
    divergence(channels)(student, teacher, temperature).sum().backward()
    soften = torch.sigmoid if channels == 1 else (lambda one: torch.softmax(one, dim=-1))
    expected = temperature * (
        soften(student.detach() / temperature) - soften(teacher / temperature)
    )
    assert student.grad is not None
    torch.testing.assert_close(student.grad, expected)


def test_gradient_keeps_its_size_as_T_grows() -> None:
    """At high T the gradient tends to (student - teacher) / classes, without T in it."""
    student, teacher = logits(0).requires_grad_(), logits(1)
    losses.kl(student, teacher, 1e5).sum().backward()
    centred = student.detach() - teacher
    expected = (centred - centred.mean(1, keepdim=True)) / 4
    assert student.grad is not None
    torch.testing.assert_close(student.grad, expected, rtol=1e-2, atol=1e-3)


def test_items_have_their_own_temperature() -> None:
    student, teacher = logits(0, items=2), logits(1, items=2)
    temperature = torch.tensor([[1.0], [4.0]], dtype=torch.float64)
    found = losses.kl(student, teacher, temperature)
    singly = torch.stack([losses.kl(student[i], teacher[i], t) for i, t in enumerate((1.0, 4.0))])
    torch.testing.assert_close(found, singly)


def test_extreme_logits_stay_finite() -> None:
    student, teacher = torch.tensor([[80.0, -80.0]]), torch.tensor([[-6e4, 6e4]])
    assert losses.kl(student, teacher, 1.0).isfinite().all()
    assert losses.binary_kl(student[:, :1], teacher[:, :1], 1.0).isfinite().all()


def test_cross_entropies_by_hand_and_smoothed() -> None:
    student, labels = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0])
    assert losses.cross_entropy(student, labels, 0.0).item() == pytest.approx(-math.log(0.75))
    smoothed = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    assert losses.cross_entropy(student, labels, 0.2).item() == pytest.approx(smoothed)
    yes = student[:, :1]
    assert losses.binary_cross_entropy(yes, labels, 0.0).item() == pytest.approx(-math.log(0.25))
    found = losses.binary_cross_entropy(yes, torch.tensor([1]), 0.2).item()
    assert found == pytest.approx(smoothed)


@pytest.mark.parametrize("channels", [1, 3])
def test_masked_labels_get_no_gradient(channels: int) -> None:
    student = logits(0, items=3, channels=channels).requires_grad_()
    labels = torch.tensor([0, MISSING, 0])
    hard = losses.binary_cross_entropy if channels == 1 else losses.cross_entropy
    weights = (labels != MISSING).double()
    losses.weighted_mean(hard(student, labels, 0.0), weights).backward()
    assert student.grad is not None
    assert (student.grad[1] == 0).all()
    assert (student.grad[[0, 2]] != 0).any(dim=1).all()


def test_mean_is_over_the_items_that_count() -> None:
    values = torch.tensor([1.0, 100.0, 3.0])
    assert losses.weighted_mean(values, torch.tensor([1.0, 0.0, 1.0])).item() == 2.0
    assert losses.weighted_mean(values, torch.tensor([3.0, 0.0, 1.0])).item() == 1.5
    assert losses.weighted_mean(values, torch.zeros(3)).item() == 0.0


def test_feature_losses_are_zero_for_equal_features() -> None:
    feature = logits(0)
    zero = torch.zeros(len(feature), dtype=torch.float64)
    torch.testing.assert_close(losses.mse(feature, feature), zero)
    torch.testing.assert_close(losses.cosine(feature, 5 * feature), zero)
    torch.testing.assert_close(losses.cosine(feature, -feature), zero + 2)
    assert losses.mse(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]])).item() == 5.0


def test_a_loss_is_given_only_what_it_states() -> None:
    given = Given(weights=torch.ones(2), student_logits=torch.ones(2, 3))
    with pytest.raises(LookupError, match="teacher logits"):
        KL()(given)
    assert KL.needs == {Need.STUDENT_LOGITS, Need.TEACHER_LOGITS}
