from __future__ import annotations

import torch

from distill.tiny import random_logits
from kd2edge.distill.features.mse import MSE, mse
from kd2edge.distill.loss import Given

FEATURE = random_logits(0)


def test_zero_for_equal_vectors_and_by_hand() -> None:
    torch.testing.assert_close(mse(FEATURE, FEATURE), torch.zeros(6, dtype=torch.float64))
    assert mse(torch.tensor([[1.0, 3.0]]), torch.tensor([[0.0, 0.0]])).item() == 5.0


def test_items_of_no_weight_count_for_nothing() -> None:
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    student = torch.cat([FEATURE[:1], FEATURE[1:] + 1])
    found = MSE()(Given(weights, student_features=student, teacher_features=FEATURE))
    assert found.item() == 0.0
