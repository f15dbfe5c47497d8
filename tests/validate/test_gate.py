from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.metrics.estimate import Estimate
from kd2edge.validate.gate import outcome, verdict, worst
from kd2edge.validate.validation import ArtefactResult


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 0.95, 1000)


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (-0.01, 0.005, "pass"),  # the bound itself is within the budget
        (-0.01, 0.00501, "undecided"),
        (0.005, 0.02, "undecided"),  # the lower bound has to be above it
        (0.00501, 0.02, "fail"),
    ],
)
def test_the_bounds_decide(low, high, wanted):
    assert verdict(estimate((low + high) / 2, low, high), 0.005) == wanted


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_budget_never_makes_it_worse(value, below, above, budget, more):
    found = estimate(value, value - below, value + above)
    order = ("fail", "undecided", "pass")
    assert order.index(verdict(found, budget + more)) >= order.index(verdict(found, budget))


def test_the_gravest_verdict_wins():
    assert worst(["pass", "undecided", "not_run"]) == "undecided"
    assert worst(["undecided", "fail", "pass"]) == "fail"
    assert worst(["not_run"]) == "not_run"
    assert worst([]) == "not_run"


def test_what_did_not_run_decides_nothing():
    results = {"a": ArtefactResult("pass", "", 1), "b": ArtefactResult("not_run", "no device", 1)}
    assert outcome(results) == "pass"
    assert outcome({"b": results["b"]}) == "not_run"


@pytest.mark.parametrize("ran", ["pass", "undecided", "fail"])
def test_what_was_asked_for_by_name_must_run_for_a_pass(ran: str):
    results = {"a": ArtefactResult(ran, "", 1), "b": ArtefactResult("not_run", "no device", 1)}
    assert outcome(results, are_named=True) == ("not_run" if ran == "pass" else ran)
    assert outcome({"a": results["a"]}, are_named=True) == ran
