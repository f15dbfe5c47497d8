"""How many rows would decide: a plan that mostly comes true, and no advice where none helps."""

from __future__ import annotations

import numpy as np
import pytest

from kd2edge.metrics import drop, rows_needed
from kd2edge.metrics.estimate import Estimate
from kd2edge.tasks.spec import Truth


def answers(right: int, wrong: int):
    """A truth of zeros, and decisions of which so many are right."""
    truth = Truth(np.zeros(right + wrong, dtype=np.int64))
    return truth, np.repeat([0, 1], [right, wrong])


def test_rows_needed_for_no_changed_decision_is_three_over_the_budget(spec, decided):
    truth, said = answers(100, 0)
    found = drop(spec(2), truth, decided(said, 2), decided(said, 2), "accuracy")
    needed = rows_needed(found, 0.005)
    assert needed == pytest.approx(np.log(0.05) / np.log(0.995), abs=3)


def test_that_many_rows_decide_mostly(random, spec, decided):
    # Two points of drop are allowed, none is there, but 4 % of the decisions change.
    def sample(rows: int):
        truth, said = answers(rows, 0)
        flips = random.random(rows)
        other, worse = said.copy(), said.copy()
        other[flips < 0.02] = 1
        worse[(flips >= 0.02) & (flips < 0.04)] = 1
        return drop(spec(2), truth, decided(other, 2), decided(worse, 2), "accuracy", resamples=300)

    plan = rows_needed(Estimate(0.0, -0.03, 0.03, 0.95, 300, np.sqrt(0.04 / 300)), 0.02)
    assert plan is not None
    passed = np.mean([sample(plan).high <= 0.02 for _ in range(100)])
    assert passed > 0.7
    fewer = np.mean([sample(plan // 4).high <= 0.02 for _ in range(100)])
    assert fewer < passed


def test_no_number_of_rows_decides_a_drop_at_the_budget(spec, decided):
    truth, said = answers(98, 2)
    found = drop(spec(2), truth, decided(np.zeros(100, int), 2), decided(said, 2), "accuracy")
    assert rows_needed(found, 0.02) is None


def test_a_million_rows_are_no_advice():
    assert rows_needed(Estimate(0.00499, -0.02, 0.03, 0.95, 2000, 0.01), 0.005) is None
    assert rows_needed(Estimate(0.0, -0.02, 0.03, 0.95, 30, 0.005), 0.0049) is not None


def test_rows_needed_follow_the_unit_of_the_metric(spec, decided):
    truth, said = answers(500, 0)
    found = drop(spec(5, "ordinal"), truth, decided(said, 5), decided(said, 5), "level_mae")
    needed = rows_needed(found, 0.02, leverage=4.0)
    assert needed == pytest.approx(3 * 4 / 0.02, rel=0.02)
