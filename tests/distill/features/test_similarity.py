from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    EDGES,
    HUGE,
    assert_finite,
    assert_ignores_what_does_not_count,
    given,
    made,
    random,
)
from kd2edge.distill.features.similarity import similarity


def by_formula(student: np.ndarray, teacher: np.ndarray) -> float:
    """Tung and Mori 2019: Q Q', each row divided by its length, Frobenius norm over b squared."""
    total = 0.0
    sides = []
    for side in (student, teacher):
        products = side @ side.T
        sides.append([row / np.sqrt((row**2).sum()) for row in products])
    for one, other in zip(*sides, strict=True):
        total += float(((one - other) ** 2).sum())
    return total / len(student) ** 2


def test_the_formula_of_the_paper() -> None:
    student, teacher = random(width=5).double(), random(width=3, seed=1).double()
    expected = by_formula(student.numpy(), teacher.numpy())
    assert similarity(student, teacher, torch.ones(6)).item() == pytest.approx(expected)
    few = torch.tensor([1.0, 0, 1, 1, 0, 1])
    expected = by_formula(student[few > 0].numpy(), teacher[few > 0].numpy())
    assert similarity(student, teacher, few).item() == pytest.approx(expected)


def test_zero_for_a_student_that_is_rotated_and_scaled() -> None:
    turn, _ = np.linalg.qr(random(4, 4, seed=3).numpy())
    student = 5 * random() @ torch.from_numpy(turn)
    assert made("similarity")(given(student, random())).item() < 1e-10


def test_zero_for_one_item() -> None:
    assert made("similarity")(given(random(1), random(1, seed=1))).item() == 0


def test_rows_are_compared_as_wholes_or_item_by_item() -> None:
    assert made("similarity").per == "whole"
    assert made("similarity", per="item").per == "item"


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(made("similarity"))


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
def test_finite_at_the_edge(edge) -> None:
    assert_finite(made("similarity"), *edge)
