from __future__ import annotations

import numpy as np
import pytest

from distill.schedules.moments import at_step
from kd2edge.distill.schedules.cosine import Cosine


def test_goes_along_half_a_cosine() -> None:
    found = [Cosine(4.0, 1.0).at(at_step(step, 9)) for step in range(9)]
    gone = np.arange(9) / 8
    np.testing.assert_allclose(found, 1 + 3 * (1 + np.cos(np.pi * gone)) / 2)


@pytest.mark.parametrize(("first", "last"), [(1.0, 0.0), (0.0, 1.0), (0.1, 0.7)])
def test_the_ends_are_exact_and_nothing_is_beyond_them(first: float, last: float) -> None:
    found = [Cosine(first, last).at(at_step(step, 101)) for step in range(101)]
    assert (found[0], found[-1]) == (first, last)
    assert min(first, last) <= min(found) <= max(found) <= max(first, last)


def test_a_training_of_one_step_has_the_first_value() -> None:
    assert Cosine(0.9, 0.3).at(at_step(0, 1)) == 0.9
