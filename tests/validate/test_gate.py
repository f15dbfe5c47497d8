from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.metrics.estimate import Estimate
from kd2edge.validate.gate import artefact_verdict, number_failures, outcome, verdict, worst
from kd2edge.validate.validation import ArtefactResult, Check, NumberResult, TaskResult


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 0.95, 1000)


def task(verdict: str) -> TaskResult:
    return TaskResult("accuracy", verdict, "" if verdict == "pass" else f"because {verdict}", 0.01)


def number(max_abs: float) -> NumberResult:
    return NumberResult("batch 1", 4, max_abs, 1.0, 0.0, 1.0)


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


def way(name: str, rms: float, top1: float) -> NumberResult:
    return NumberResult(name, 64, 1.0, 1.0, 0.0, top1, rms)


def test_a_coarse_head_must_hold_in_every_way_to_batch_and_pad():
    def faults(*ways: NumberResult) -> list[str]:
        return number_failures("int8", {"t": ways})

    assert faults(way("batch 1", 0.1, 0.95), way("batch 7", 0.2, 0.9)) == []
    (broken,) = faults(way("batch 1", 0.9, 0.9), way("batch 7", 0.1, 0.95))
    assert "0.9 of their size (batch 1)" in broken
    (apart,) = faults(way("batch 1", 0.3, 0.4), way("batch 7", 0.1, 0.95))
    assert "40% of the decisions are PyTorch's in batch 1, 95% in batch 7" in apart
    assert faults(way("batch 1", float("nan"), 0.9))
    assert number_failures("fp16", {"t": [way("batch 1", 0.1, 1.0)]})


def test_an_artefact_passes_only_when_every_task_passes():
    def judge(*verdicts: str) -> str:
        tasks = {str(index): task(name) for index, name in enumerate(verdicts)}
        return artefact_verdict("int8", (), {}, tasks, ())[0]

    assert judge("pass", "pass") == "pass"
    assert judge("pass", "undecided") == "undecided"
    assert judge("undecided", "fail") == "fail"
    assert judge("pass", "not_run") == "undecided"
    assert judge("not_run", "not_run") == "undecided"  # it ran, and nothing is known of it
    assert judge() == "undecided"


def test_a_failed_check_fails_the_artefact_whatever_its_tasks_say():
    bad = Check("opset", "failed", "too new")
    tasks = {"a": task("pass")}
    assert artefact_verdict("int8", (bad,), {}, tasks, ()) == ("fail", "opset: too new")
    assert artefact_verdict("int8", (), {}, tasks, (bad,))[0] == "fail"
    absent = Check("onnx graph", "not_run", "onnx is not here")
    assert artefact_verdict("int8", (absent,), {}, tasks, ())[0] == "pass"


def test_an_fp32_artefact_passes_only_when_graph_and_numbers_were_looked_at():
    tasks, near = {"a": task("pass")}, {"a": (number(0.0),)}
    absent = Check("onnx graph", "not_run", "onnx is not here")
    whole = Check("checksums", "ok")
    assert artefact_verdict("fp32", (whole,), near, tasks, ()) == ("pass", "")
    for graph, numbers, why in ((absent, near, "onnx is not here"), (whole, {}, "no PyTorch")):
        found, reason = artefact_verdict("fp32", (graph,), numbers, tasks, ())
        assert found == "undecided"
        assert why in reason
        assert artefact_verdict("int8", (graph,), numbers, tasks, ())[0] == "pass"


def test_only_fp32_is_judged_by_its_logits():
    tasks = {"a": task("pass")}
    far, near = {"a": (number(0.0), number(2e-4))}, {"a": (number(9e-5),)}
    assert artefact_verdict("fp32", (), far, tasks, ())[0] == "fail"
    assert artefact_verdict("fp32", (), near, tasks, ())[0] == "pass"
    assert artefact_verdict("int8", (), far, tasks, ())[0] == "pass"


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_golden_files_that_leave_out_a_head_let_nothing_pass(precision):
    absent = Check("golden outputs", "not_run", "golden raw values say nothing of t")
    levels = ({"t": [number(0)]}, {"t": task("pass")}, [])
    assert artefact_verdict(precision, [], *levels)[0] == "pass"
    verdict_, reason = artefact_verdict(precision, [absent], *levels)
    assert verdict_ == "undecided"
    assert "say nothing of t" in reason


def test_what_did_not_run_decides_nothing():
    results = {"a": ArtefactResult("pass", "", 1), "b": ArtefactResult("not_run", "no device", 1)}
    assert outcome(results) == "pass"
    assert outcome({"b": results["b"]}) == "not_run"


@pytest.mark.parametrize("ran", ["pass", "undecided", "fail"])
def test_what_was_asked_for_by_name_must_run_for_a_pass(ran: str):
    results = {"a": ArtefactResult(ran, "", 1), "b": ArtefactResult("not_run", "no device", 1)}
    assert outcome(results, are_named=True) == ("not_run" if ran == "pass" else ran)
    assert outcome({"a": results["a"]}, are_named=True) == ran
