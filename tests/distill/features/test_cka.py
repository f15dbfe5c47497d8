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
from kd2edge.distill.features.cka import cka


def by_formula(one: np.ndarray, other: np.ndarray) -> float:
    """Kornblith et al. 2019: HSIC of linear kernels, with the centring matrix written out."""
    size = len(one)
    centring = np.eye(size) - np.ones((size, size)) / size
    kernels = [one @ one.T, other @ other.T]

    def hsic(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.trace(first @ centring @ second @ centring)) / (size - 1) ** 2

    first, second = kernels
    return hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))


@pytest.mark.parametrize(("items", "width"), [(6, 9), (30, 4)])
def test_the_formula_of_the_paper_whichever_product_is_cheaper(items: int, width: int) -> None:
    student = random(items, width).double() + 3
    teacher = random(items, 3, seed=1).double() + student[:, :3]
    expected = by_formula(student.numpy(), teacher.numpy())
    assert cka(student, teacher, torch.ones(items)).item() == pytest.approx(expected)
    few = (torch.arange(items) % 3 > 0).double()
    expected = by_formula(student[few > 0].numpy(), teacher[few > 0].numpy())
    assert cka(student, teacher, few).item() == pytest.approx(expected)


def test_zero_for_a_student_that_is_moved_rotated_and_scaled() -> None:
    turn, _ = np.linalg.qr(random(4, 4, seed=3).numpy())
    student = 5 * random(30) @ torch.from_numpy(turn) + 2
    assert made("cka")(given(student, random(30))).item() < 1e-5


def test_one_item_says_nothing() -> None:
    assert made("cka")(given(random(1), random(1, seed=1))).item() == 0


def test_rows_are_compared_as_wholes_or_item_by_item() -> None:
    assert made("cka").per == "whole"
    assert made("cka", per="item").per == "item"


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(made("cka"))


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
def test_finite_at_the_edge(edge) -> None:
    assert_finite(made("cka"), *edge)
