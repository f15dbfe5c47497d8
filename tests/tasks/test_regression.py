from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks import TaskName, TaskSpec, task_kind

KIND = task_kind("regression")


def task(**decode: float) -> TaskSpec:
    return TaskSpec(TaskName("price"), "regression", (), "mae", decode=decode, unit="EUR")


SCALED = task(mean=100.0, spread=20.0, low=0.0, high=150.0)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3.0), (2.75, 2.75), ("2.75", 2.75), ("-3", -3.0), (" 4e1 ", 40.0), (np.int64(7), 7.0),
        (np.float32(0.5), 0.5), (Decimal("1.25"), 1.25), (0, 0.0), (-0.5, -0.5),
    ],
)  # fmt: skip
def test_a_number_is_kept_as_it_is(value: Any, number: float) -> None:
    target = KIND.target(task(), value)
    assert target is not None
    assert (target["values"].dtype, float(target["values"])) == (np.float32, number)


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", np.float64("nan")])
def test_what_says_nothing_is_no_label(value: Any) -> None:
    assert KIND.target(task(), value) is None
    assert np.isnan(np.asarray(KIND.truth(task(), [None])["values"])).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("three", "expected a number, found the text 'three'"),
        ("3,5", "found the text '3,5'"),
        ("1_000", "found the text"),
        ("٣", "found the text"),
        ("NaN", "found the text 'NaN'; a number that is missing is null, or an empty cell"),
        ("inf", "found the text 'inf'; a number that is missing is null, or an empty cell"),
        (True, "expected a number, found true"),
        (np.bool_(False), "expected a number, found false"),
        (float("inf"), "expected a finite number .* found inf"),
        (-np.inf, "expected a finite number"),
        (1e39, "expected a finite number up to 3.403e\\+38 in size, found 1e\\+39"),
        ("1e999", "expected a finite number"),
        (10**400, "expected a finite number"),
        ([3.0], "expected a number, found a list"),
        ({"value": 3}, "expected a number, found a dict"),
    ],
)
def test_what_is_no_number_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KIND.target(task(), value)


@pytest.mark.parametrize("value", [-0.001, 150.5, "1e3"])
def test_a_label_outside_the_bounds_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a value from 0 to 150 \(the task's bounds\)"):
        KIND.target(SCALED, value)
    assert KIND.target(SCALED, 150) is not None


def test_values_are_in_the_unit_and_within_the_bounds() -> None:
    decoded = KIND.decode(SCALED, np.array([[0.0], [1.5], [9.0], [-9.0], [np.nan]], np.float32))
    found = np.asarray(decoded["values"])
    assert found.dtype == np.float32
    assert found.tolist()[:4] == [100, 130, 150, 0]
    assert np.isnan(found[4])
    assert KIND.answers(SCALED, decoded)[1] == {"value": 130.0}
    assert KIND.text(SCALED, found[1]) == "130 EUR"


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=9))
def test_an_answer_says_what_was_decided_and_the_pack_keeps_it(logits: list[float]) -> None:
    decoded = KIND.decode(SCALED, np.array(logits)[:, None])
    answers = KIND.answers(SCALED, decoded)
    assert [KIND.said(SCALED, answer) for answer in answers] == KIND.decided(SCALED, decoded)
    found = KIND.unpack(SCALED, KIND.pack(decoded))
    assert np.array_equal(np.asarray(found["values"]), np.asarray(decoded["values"]))


def test_values_differ_by_more_than_a_hundredth_of_the_spread() -> None:
    one, other = (
        KIND.decode(SCALED, np.array(values)[:, None])
        for values in ([0.0, 0.0, 0.0, np.nan], [0.0099, -0.011, np.nan, 0.0])
    )
    found = KIND.compared(SCALED, one, other)
    assert found.differ.tolist() == [False, True, True, True]
    assert KIND.margins(SCALED, one).tolist() == [1, 1, 1, 1]


def test_outputs_of_another_scale_say_the_same_values() -> None:
    other, logits = task(mean=-3.0, spread=7.0), np.array([[0.5], [-1.0]])
    values = KIND.decode(other, logits)["values"]
    again = KIND.decode(SCALED, KIND.translated(other, SCALED, logits))["values"]
    assert np.asarray(again) == pytest.approx(np.clip(np.asarray(values), 0, 150), abs=1e-4)
