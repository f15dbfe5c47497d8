from __future__ import annotations

import numpy as np
import torch

from distill.tiny import random_logits
from kd2edge.distill.features.cosine import Cosine, cosine
from kd2edge.distill.loss import Given

FEATURE = random_logits(0)


def test_zero_for_vectors_that_point_the_same_way_whatever_their_length() -> None:
    zero = torch.zeros(len(FEATURE), dtype=torch.float64)
    torch.testing.assert_close(cosine(FEATURE, 5 * FEATURE), zero)
    torch.testing.assert_close(cosine(FEATURE, -FEATURE), zero + 2)


def test_half_the_squared_distance_of_vectors_of_length_one() -> None:
    """By which KD4MTL aligns a student to each one-task teacher (Li and Bilen 2020, 2007.06889)."""
    student, teacher = FEATURE.numpy(), random_logits(1).numpy()
    ways = [each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (student, teacher)]
    expected = np.sum((ways[0] - ways[1]) ** 2, axis=-1) / 2
    found = cosine(FEATURE, random_logits(1)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_items_of_no_weight_count_for_nothing() -> None:
    weights = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    student = torch.cat([FEATURE[:1], -FEATURE[1:]])
    found = Cosine()(Given(weights, student_features=student, teacher_features=FEATURE))
    torch.testing.assert_close(found, torch.zeros_like(found))
