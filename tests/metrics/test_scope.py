"""Recall in and out of scope, of tasks that reject."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import recall_score

from kd2edge.errors import DataError, UsageError
from kd2edge.metrics import METRICS, drop, evaluate, measure, misfit
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate.estimates import Estimates

REJECT = 1
SPEC = TaskSpec(
    TaskName("t"), "classification", tuple("abcd"), "accuracy",
    decode={"reject": REJECT, "least_probability": 0.5},
)  # fmt: skip
NAMES = ("in_scope_recall", "out_of_scope_recall")


def rows(seed, inside, outside, wrong):
    """So many rows in and out of scope, a share of them decided at random."""
    random = np.random.default_rng(seed)
    truth = np.concatenate([random.choice([0, 2, 3], inside), np.full(outside, REJECT)])
    said = np.where(random.random(len(truth)) < wrong, random.integers(0, 4, len(truth)), truth)
    return Truth(truth), Decoded(said, np.zeros((len(truth), 4), np.float32))


@pytest.mark.parametrize("wrong", [0.0, 0.4, 1.0])
def test_they_equal_sklearn_s_recall_of_rejected_or_not(wrong):
    truth, decoded = rows(0, 200, 30, wrong)
    outside, rejected = (np.asarray(one.labels) == REJECT for one in (truth, decoded))
    for name, side in zip(NAMES, (False, True), strict=True):
        expected = recall_score(outside, rejected, pos_label=side)
        assert measure(SPEC, truth, decoded, name) == pytest.approx(expected, abs=1e-12)


def test_a_wrong_label_in_scope_is_no_rejection():
    truth, scores = Truth(np.array([0, 2, 1])), np.zeros((3, 4), np.float32)
    decoded = Decoded(np.array([2, REJECT, 3]), scores)
    assert [measure(SPEC, truth, decoded, name) for name in NAMES] == [0.5, 0.0]


def test_rows_without_label_count_in_neither_and_rows_without_decision_are_wrong():
    truth = Truth(np.array([0, 0, REJECT, MISSING, MISSING, REJECT]))
    decoded = Decoded(np.array([0, -1, -1, 1, 0, 1]), np.zeros((6, 4), np.float32))
    for name in NAMES:
        found = METRICS[name].rows(SPEC, truth, decoded)
        assert not found[3:5].any()
        assert measure(SPEC, truth, decoded, name) == 0.5


@pytest.mark.parametrize(
    ("name", "which"), [("in_scope_recall", "in"), ("out_of_scope_recall", "out of")]
)
def test_rows_of_one_side_alone_have_no_value_of_the_other(name, which):
    one = Truth(np.full(4, REJECT if which == "in" else 0))
    decoded = Decoded(np.zeros(4, np.int64), np.zeros((4, 4), np.float32))
    for function in (measure, evaluate):
        with pytest.raises(DataError, match=f"{name} needs a row {which} scope"):
            function(SPEC, one, decoded, name)


def test_a_few_rows_out_of_scope_prove_no_more_than_so_few_rows():
    truth, decoded = rows(1, 990, 10, 0.0)
    inside, outside = (evaluate(SPEC, truth, decoded, name) for name in NAMES)
    assert inside.value == outside.value == 1
    assert outside.low < 0.025 ** (1 / 10) + 0.1  # Clopper and Pearson's of 10 rows is 0.69
    assert inside.low > 0.99
    unchanged = drop(SPEC, truth, decoded, decoded, "out_of_scope_recall")
    assert 0.2 < unchanged.high < 0.35  # 1 - 0.05 ** (1 / 10) is 0.26


def test_a_task_that_rejects_nothing_has_no_such_metric():
    plain = TaskSpec(TaskName("t"), "classification", tuple("abcd"), "accuracy")
    truth, decoded = rows(2, 5, 5, 0.0)
    for name in NAMES:
        assert misfit(SPEC, name) == ""
        assert "needs a task that rejects" in misfit(plain, name)
        with pytest.raises(UsageError, match=f"task 't': metric {name} needs a task that rejects"):
            measure(plain, truth, decoded, name)


def test_estimates_are_known_by_decisions_whatever_scores_they_came_from(monkeypatch):
    truth, decoded = rows(3, 40, 10, 0.3)
    others = [
        Decoded(np.asarray(decoded.labels), decoded.scores, scope=np.full(50, at, np.float32))
        for at in (0.1, 0.2)
    ]
    known, inputs = Estimates(), np.arange(50, dtype=np.uint64)
    how = {"inputs": inputs, "confidence": 0.95}
    first = known.evaluate(SPEC, truth, others[0], "in_scope_recall", **how)
    monkeypatch.setattr("kd2edge.validate.estimates.evaluate", None)  # it is not asked again
    assert known.evaluate(SPEC, truth, others[1], "in_scope_recall", **how) is first
