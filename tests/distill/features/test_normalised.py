from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    EDGES,
    HUGE,
    assert_finite,
    assert_ignores_what_does_not_count,
    made,
    random,
)
from kd2edge.distill.features.normalised import normalised


def test_zero_for_vectors_that_differ_in_scale_and_offset_alone() -> None:
    found = normalised(3 * random() - 7, random())
    torch.testing.assert_close(found, torch.zeros(6), atol=1e-4, rtol=0)


def test_twice_one_minus_the_correlation_over_the_width() -> None:
    student, teacher = random(width=50), random(width=50, seed=1)
    pairs = zip(student.numpy(), teacher.numpy(), strict=True)
    expected = [2 - 2 * np.corrcoef(one, other)[0, 1] for one, other in pairs]
    np.testing.assert_allclose(normalised(student, teacher), expected, rtol=1e-3)


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(made("normalised"))


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
def test_finite_at_the_edge(edge) -> None:
    assert_finite(made("normalised"), *edge)
