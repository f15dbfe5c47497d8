from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.metrics import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_the_values_of_a_worked_example() -> None:
    # 0.01 * 4, 0.02 * 3, then 0.03 * 2 = 0.06 and 0.04 * 1, which may not be less than 0.06.
    assert holm([0.01, 0.04, 0.03, 0.02]) == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_one_test_alone_keeps_its_p_value() -> None:
    assert holm([0.3]) == [0.3]
    assert holm([]) == []


@given(P_VALUES)
def test_never_below_the_p_value_nor_above_bonferroni_and_in_their_order(
    values: list[float],
) -> None:
    found = np.array(holm(values))
    given_values = np.array(values)
    assert (found >= given_values).all()
    assert (found <= np.minimum(given_values * len(values), 1.0)).all()
    order = np.argsort(given_values)
    assert (np.diff(found[order]) >= 0).all()


@given(P_VALUES, st.floats(0.001, 0.999))
def test_rejects_what_the_step_down_procedure_rejects(values: list[float], alpha: float) -> None:
    left, rejected = sorted(range(len(values)), key=lambda at: values[at]), set()
    while left and values[left[0]] * len(left) <= alpha:
        rejected.add(left.pop(0))
    assert {at for at, p in enumerate(holm(values)) if p <= alpha} == rejected


def test_any_false_finding_is_as_rare_as_it_should_be() -> None:
    random = np.random.default_rng(0)
    false = [min(holm(list(random.random(8)))) <= 0.05 for _ in range(4000)]
    assert np.mean(false) < 0.06  # 0.05, and two standard errors
