from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.logits.cases import TASKS, TEMPERATURES, given, gradient
from distill.tiny import random_logits
from kd2edge.distill.logits.kl import KL, kl
from kd2edge.distill.logits.standardise import standardised

TASK = TASKS["classification"]


def test_is_the_z_score_of_each_item() -> None:
    logits = random_logits(0, channels=5).numpy()
    mean, deviation = logits.mean(1, keepdims=True), logits.std(1, keepdims=True)
    found = standardised(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(found, (logits - mean) / deviation, rtol=1e-5)


def test_has_mean_0_and_at_most_the_root_of_the_other_labels() -> None:
    found = standardised(torch.tensor([[1e4, -1e4, -1e4, -1e4, -1e4], [1.0, 2.0, 3.0, 4.0, 5.0]]))
    torch.testing.assert_close(found.mean(1), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(found.abs().amax(1), torch.tensor([2.0, 2**0.5]))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_student_that_says_the_same_in_other_units_is_right(temperature: float) -> None:
    """The point of it: relations are learned, not the range (Sun et al. 2024)."""
    teacher = random_logits(0)
    student = 0.1 * teacher + 3
    plain, scored = (
        KL(TASK, standardise=one)(given(TASK, student, teacher, temperature=temperature))
        for one in (False, True)
    )
    assert scored.item() == pytest.approx(0, abs=1e-6)
    assert plain > 0.01


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_loss_is_that_of_the_z_scores(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    scores = [(one - one.mean(1, keepdim=True)) / one.std(1, correction=0, keepdim=True)
              for one in (student, teacher)]  # fmt: skip
    found = KL(TASK, standardise=True)(given(TASK, student, teacher, temperature=temperature))
    torch.testing.assert_close(found, kl(*scores, temperature).mean(), rtol=1e-4, atol=1e-6)


def test_a_fresh_head_of_zeros_gets_a_gradient_of_a_usual_size() -> None:
    student = torch.zeros(6, 4, requires_grad=True)
    found = gradient(
        KL(TASK, standardise=True), given(TASK, student, random_logits(1).float(), temperature=2.0)
    )
    assert 0 < found.norm() < 1e3
