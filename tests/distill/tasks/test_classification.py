from __future__ import annotations

import math

import pytest
import torch

from distill.tiny import SHAPE, random_logits
from kd2edge.distill.loss import Given
from kd2edge.distill.tasks.classification import CrossEntropy, cross_entropy
from kd2edge.tasks.spec import MISSING


def test_values_computed_by_hand_and_smoothed() -> None:
    student, labels = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([0])
    assert cross_entropy(student, labels, 0.0).item() == pytest.approx(-math.log(0.75))
    smoothed = -0.9 * math.log(0.75) - 0.1 * math.log(0.25)
    assert cross_entropy(student, labels, 0.2).item() == pytest.approx(smoothed)


def test_masked_labels_get_no_gradient() -> None:
    student = random_logits(0, items=3, channels=3).requires_grad_()
    labels = torch.tensor([0, MISSING, 0])
    weights = (labels != MISSING).double()
    CrossEntropy(SHAPE, 0.0)(
        Given(weights, student_logits=student, targets={"labels": labels})
    ).backward()
    assert student.grad is not None
    assert (student.grad[1] == 0).all()
    assert (student.grad[[0, 2]] != 0).any(dim=1).all()
