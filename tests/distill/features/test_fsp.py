from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    COUNTS,
    EDGES,
    assert_finite,
    assert_ignores_what_does_not_count,
    given,
    made,
    random,
)
from kd2edge.distill.loss import Loss


def fsp(first: int = 1) -> Loss:
    """Of two layers that are 4 wide together."""
    widths = (first, 4 - first)
    return made("fsp", student=widths, teacher=widths, layers=2)


def by_formula(student: np.ndarray, teacher: np.ndarray, first: int) -> float:
    """Yim et al. 2017, eq. 1 and 2, a row: places ``[place, width of both layers]``."""
    flows = []
    for side in (student, teacher):
        flow = np.zeros((first, side.shape[1] - first))
        for place in side:
            flow += np.outer(place[:first], place[first:]) / len(side)
        flows.append(flow)
    return float(((flows[0] - flows[1]) ** 2).mean())


@pytest.mark.parametrize("first", [1, 2])
def test_the_formula_of_the_paper_for_rows_of_different_lengths(first: int) -> None:
    student, teacher = random(), random(seed=1)
    rows = list(zip(student.split([3, 1, 2]), teacher.split([3, 1, 2]), strict=True))
    expected = np.mean([by_formula(one.numpy(), two.numpy(), first) for one, two in rows])
    found = fsp(first)(given(student, teacher, counts=COUNTS)).item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_places_that_do_not_count_are_left_out_of_the_mean() -> None:
    student, teacher = random(), random(seed=1)
    weights = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    kept = weights > 0
    expected = fsp()(given(student[kept], teacher[kept], counts=torch.tensor([2, 2])))
    torch.testing.assert_close(fsp()(given(student, teacher, weights, COUNTS)), expected)


def test_zero_when_student_equals_teacher() -> None:
    assert fsp()(given(random(), random(), counts=COUNTS)).item() == 0


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(fsp(), counts=COUNTS)


@pytest.mark.parametrize("edge", EDGES.values(), ids=EDGES)
def test_finite_at_the_edge(edge) -> None:
    assert_finite(fsp(), *edge)
