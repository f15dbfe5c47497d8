from __future__ import annotations

import numpy as np
import pytest

from distill.schedules.moments import at_step
from kd2edge.distill.schedules.linear import Linear


def test_goes_evenly_from_the_first_step_to_the_last() -> None:
    found = [Linear(0.9, 0.3).at(at_step(step, 7)) for step in range(7)]
    np.testing.assert_allclose(found, np.linspace(0.9, 0.3, 7))


@pytest.mark.parametrize(("first", "last"), [(1.0, 0.0), (0.0, 1.0), (0.1, 0.7), (1.0, 1.0)])
def test_the_ends_are_exact_and_nothing_is_beyond_them(first: float, last: float) -> None:
    found = [Linear(first, last).at(at_step(step, 101)) for step in range(101)]
    assert (found[0], found[-1]) == (first, last)
    assert min(first, last) <= min(found) <= max(found) <= max(first, last)


def test_a_training_of_one_step_has_the_first_value() -> None:
    assert Linear(0.9, 0.3).at(at_step(0, 1)) == 0.9
