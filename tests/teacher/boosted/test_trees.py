"""Arrays that are no trees are refused before a row is asked: no row may go round for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kd2edge.errors import IntegrityError
from kd2edge.teacher.boosted.trees import NONE, Trees, trees_of


def stump() -> Trees:
    """Asks column 1 whether it is at most 0.5, then column 0 for the categories 3 and 40."""
    sets = np.zeros((1, 8), np.uint32)
    sets[0, 0], sets[0, 1] = 1 << 3, 1 << 8
    return Trees(
        baseline=np.array([10.0]),
        root=np.array([0], np.int32),
        channel=np.array([0], np.int32),
        feature=np.array([1, 0, 0, 0, 0], np.int32),
        threshold=np.array([0.5, 0, 0, 0, 0]),
        left=np.array([1, 2, NONE, NONE, NONE], np.int32),
        right=np.array([4, 3, NONE, NONE, NONE], np.int32),
        missing_left=np.array([False, True, False, False, False]),
        categories=np.array([NONE, 0, NONE, NONE, NONE], np.int32),
        sets=sets,
        value=np.array([0, 0, 1.0, 2.0, 4.0]),
    )


@pytest.mark.parametrize(
    ("row", "score"),
    [
        ([3, 0.5], 11),
        ([40, -9], 11),
        ([8, 0], 12),
        ([3, 0.6], 14),
        ([3, np.nan], 14),  # what is missing goes right at the first split ...
        ([np.nan, 0], 11),  # ... and left at the second one
        ([255, -np.inf], 12),
    ],
)
def test_rows_go_where_numbers_and_categories_send_them(row: list[float], score: float) -> None:
    assert stump().scores(np.array([row]))[0, 0] == score


def test_the_mean_of_the_splits_that_rows_pass() -> None:
    assert stump().depth(np.array([[3, 0.0], [3, 1.0]])) == 1.5
    assert stump().numbers == 6


def test_many_rows_say_what_each_says_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).integers(0, 41, (50, 2)).astype(np.float64) % [41, 2]
    whole, depth = stump().scores(rows), stump().depth(rows)
    monkeypatch.setattr("kd2edge.teacher.boosted.trees._PLACES", 7)
    assert np.array_equal(stump().scores(rows), whole)
    assert stump().depth(rows) == depth
    assert stump().scores(rows[:0]).shape == (0, 1)


def test_arrays_make_the_same_trees_again() -> None:
    found = trees_of(stump().arrays(), columns=2, categorical=1)
    assert all(np.array_equal(one, found.arrays()[name]) for name, one in stump().arrays().items())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("left", lambda one: one * 0),  # a circle
        ("right", lambda one: np.where(one == 4, 5, one)),
        ("right", lambda one: np.where(one == NONE, 1, one)),
        ("left", lambda one: np.where(one == 2, -7, one)),
        ("feature", lambda one: one + 2),
        ("feature", lambda one: one - 1),
        ("categories", lambda one: one + 1),
        ("feature", lambda one: np.ones_like(one)),  # a number is no place in a set
        ("threshold", lambda one: one * np.nan),
        ("root", lambda one: one + 5),
        ("channel", lambda one: one + 1),
        ("value", lambda one: one * np.nan),
        ("value", lambda one: one + 1e300),  # beyond the float32 of logits
        ("baseline", lambda one: one + 1e300),
        ("value", lambda one: one[:-1]),
        ("value", lambda one: one.astype(np.float32)),
        ("sets", lambda one: one[:, :4]),
        ("sets", lambda one: one[0]),
    ],
)
def test_arrays_that_are_no_trees_are_refused(name: str, change: Callable[[Any], Any]) -> None:
    arrays = stump().arrays()
    arrays[name] = change(arrays[name]).astype(change(arrays[name]).dtype)
    with pytest.raises(IntegrityError):
        trees_of(arrays, columns=2, categorical=1)


def test_arrays_that_lack_one_or_have_another_are_refused() -> None:
    arrays = stump().arrays()
    with pytest.raises(IntegrityError, match="expected the arrays"):
        trees_of(arrays | {"more": arrays["value"]}, columns=2, categorical=1)
    del arrays["value"]
    with pytest.raises(IntegrityError, match="expected the arrays"):
        trees_of(arrays, columns=2, categorical=1)
