from __future__ import annotations

import math

import pytest
import torch

from distill.tiny import DARK, random_logits
from kd2edge.distill.loss import Given
from kd2edge.distill.tasks.binary import BinaryCrossEntropy, binary_cross_entropy
from kd2edge.tasks.spec import MISSING


def test_values_computed_by_hand_and_smoothed() -> None:
    yes = torch.tensor([[math.log(3.0)]])
    found = binary_cross_entropy(yes, torch.tensor([0]), 0.0).item()
    assert found == pytest.approx(-math.log(0.25))
    smoothed = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    assert binary_cross_entropy(yes, torch.tensor([1]), 0.2).item() == pytest.approx(smoothed)


def test_masked_labels_get_no_gradient() -> None:
    student = random_logits(0, items=3, channels=1).requires_grad_()
    labels = torch.tensor([0, MISSING, 0])
    weights = (labels != MISSING).double()
    given = Given(weights, student_logits=student, targets={"labels": labels})
    BinaryCrossEntropy(DARK, 0.0)(given).backward()
    assert student.grad is not None
    assert student.grad[1] == 0
    assert (student.grad[[0, 2]] != 0).all()
