from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kd2edge.tasks import MISSING, TaskSpec, task_kind

Spec = Callable[..., TaskSpec]
KIND = task_kind("ordinal")
LEVELS = ("1", "2", "3", "4", "5")
LOGITS = npst.arrays(
    np.float32, st.tuples(st.integers(1, 20), st.just(5)), elements=st.floats(-9, 9, width=32)
)


def test_whole_numbers_are_levels_by_size() -> None:
    assert KIND.labels_from_values([10, 9, None, "2", 1.0, np.int64(-3)]) == (
        "-3",
        "1",
        "2",
        "9",
        "10",
    )


@pytest.mark.parametrize("values", [["low", "high"], [1, "2.5"], [True, False]])
def test_an_order_that_the_data_does_not_show_has_to_be_stated(values: list[Any]) -> None:
    with pytest.raises(ValueError, match="state the labels, lowest first"):
        KIND.labels_from_values(values)


def test_a_target_is_the_place_of_the_level(spec: Spec) -> None:
    task = spec("ordinal", ("low", "middle", "high"))
    found = [KIND.target(task, value) for value in ("middle", "low", None, "")]
    assert [None if one is None else int(one["labels"]) for one in found] == [1, 0, None, None]
    assert np.asarray(KIND.truth(task, found).labels).tolist() == [1, 0, MISSING, MISSING]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (2.5, "the fraction 2.5"),
        (6, "unknown label '6'"),
        (float("inf"), "the fraction inf"),
        (10**400, "unknown label|thousands of digits"),
        ([1], "found a list"),
        (True, "unknown label 'true'"),
        ("three", "unknown label 'three'"),
    ],
)
def test_what_is_no_level_is_refused(spec: Spec, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KIND.target(spec("ordinal", LEVELS), value)


@given(LOGITS)
def test_the_median_has_the_least_expected_distance(spec: Spec, logits: Any) -> None:
    decoded = KIND.decode(spec("ordinal", LEVELS), logits)
    levels = np.arange(5)
    costs = np.asarray(decoded.scores, np.float64) @ np.abs(levels[:, None] - levels)
    chosen = costs[np.arange(len(costs)), np.asarray(decoded.labels)]
    assert (chosen <= costs.min(axis=1) + 1e-6).all()


def test_a_row_between_two_peaks_is_answered_with_what_lies_between(spec: Spec) -> None:
    decoded = KIND.decode(
        spec("ordinal", LEVELS), np.log([[0.45, 1e-9, 0.1, 1e-9, 0.45], [0.2] * 5])
    )
    assert np.asarray(decoded.labels).tolist() == [2, 2]


@given(LOGITS)
def test_an_answer_says_what_was_decided_and_the_pack_keeps_it(spec: Spec, logits: Any) -> None:
    task = spec("ordinal", LEVELS)
    decoded = KIND.decode(task, logits)
    for top_k in (None, 1, 3):
        answers = KIND.answers(task, decoded, top_k=top_k)
        assert [KIND.said(task, answer) for answer in answers] == KIND.decided(task, decoded)
        assert {len(answer) for answer in answers} == {top_k or 1}
    found = KIND.unpack(task, KIND.pack(decoded))
    for name, column in decoded.items():
        assert np.array_equal(np.asarray(found[name]), np.asarray(column))


@given(LOGITS, st.integers(0, 99))
def test_no_decision_turns_where_chances_move_by_less_than_its_margin(
    spec: Spec, logits: Any, seed: int
) -> None:
    task = spec("ordinal", LEVELS)
    decoded = KIND.decode(task, logits)
    moved = logits + np.random.default_rng(seed).uniform(-1e-4, 1e-4, logits.shape)
    differ = KIND.compared(task, decoded, KIND.decode(task, moved)).differ
    assert (KIND.margins(task, decoded)[differ] < 1e-3).all()


def test_logits_that_say_nothing_decide_nothing(spec: Spec) -> None:
    task = spec("ordinal", LEVELS)
    decoded = KIND.decode(task, np.array([[np.nan] * 5, [9, 0, 0, 0, 0]]))
    assert np.asarray(decoded.labels).tolist() == [-1, 0]
    assert KIND.answers(task, decoded)[0] == [{"label": None, "score": 0.0}]
