from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    COUNTS,
    EDGES,
    HUGE,
    assert_finite,
    assert_ignores_what_does_not_count,
    given,
    made,
    random,
)


def by_formula(student: np.ndarray, teacher: np.ndarray, power: float) -> float:
    """Zagoruyko and Komodakis 2017, eq. 1 and 2, a row: places ``[place, width]`` of both."""
    sides = []
    for side in (student, teacher):
        attention = np.array([sum(abs(one) ** power for one in place) for place in side])
        sides.append(attention / np.linalg.norm(attention))
    return float(((sides[0] - sides[1]) ** 2).sum())


@pytest.mark.parametrize("power", [1.0, 2.0, 4.0])
def test_the_formula_of_the_paper_for_rows_of_different_lengths(power: float) -> None:
    student, teacher = random(width=5), random(width=3, seed=1)
    rows = list(zip(student.split([3, 1, 2]), teacher.split([3, 1, 2]), strict=True))
    expected = np.mean([by_formula(one.numpy(), two.numpy(), power) for one, two in rows])
    loss = made("attention_transfer", power=power)
    found = loss(given(student, teacher, counts=COUNTS)).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_row_in_which_nothing_counts_has_no_share() -> None:
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 0.0])
    student, teacher = random(), random(seed=1)
    one = by_formula(student[:2].numpy(), teacher[:2].numpy(), 2.0)
    loss = made("attention_transfer")
    found = loss(given(student, teacher, weights, COUNTS)).item()
    assert found == pytest.approx(one / 2, rel=1e-5)  # the single word has all the attention


def test_zero_for_a_student_that_looks_where_the_teacher_does() -> None:
    loss = made("attention_transfer")
    assert loss(given(-3 * random(), random(), counts=COUNTS)).item() < 1e-12


def test_single_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="a row has one vector"):
        made("attention_transfer", items=1)


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(made("attention_transfer"), counts=COUNTS)


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
@pytest.mark.parametrize("power", [1.0, 2.0])
def test_finite_at_the_edge(edge, power: float) -> None:
    assert_finite(made("attention_transfer", power=power), *edge)
