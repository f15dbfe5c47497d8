"""The nearest other row, as a loop over all pairs finds it."""

from __future__ import annotations

import numpy as np
import pytest

from kd2edge.rows.made import neighbours as module
from kd2edge.rows.made.neighbours import neighbours

RANDOM = np.random.default_rng


def table(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = RANDOM(seed)
    numbers = random.normal(size=(rows, 3)) * [1.0, 50.0, 0.01]
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    return numbers, random.integers(0, 4, (rows, 2))


def by_hand(numbers: np.ndarray, codes: np.ndarray) -> list[int]:
    """Squared difference over the squared range, and 1 for each cell that differs."""
    low, high = np.nanmin(numbers, axis=0), np.nanmax(numbers, axis=0)
    found = []
    for own, mine in enumerate(numbers):
        best, nearest = np.inf, own
        for at, other in enumerate(numbers):
            apart = float((codes[own] != codes[at]).sum())
            for a, b, small, large in zip(mine, other, low, high, strict=True):
                if np.isnan(a) != np.isnan(b):  # from the middle, and the flag
                    there = (np.nanmax([a, b]) - small) / (large - small)
                    apart += 1 + (there - 0.5) ** 2
                elif not np.isnan(a):
                    apart += ((a - b) / (large - small)) ** 2
            if 0 < apart < best - 1e-12:
                best, nearest = apart, at
        found.append(nearest)
    return found


def test_it_is_the_one_that_a_loop_over_all_pairs_finds() -> None:
    numbers, codes = table(80)
    assert neighbours(numbers, codes, RANDOM(0)).tolist() == by_hand(numbers, codes)


@pytest.mark.parametrize("missing", ["numbers", "codes"])
def test_either_kind_of_column_is_enough(missing: str) -> None:
    numbers, codes = table(40)
    if missing == "numbers":
        numbers = np.zeros((40, 0))
    else:
        codes = np.zeros((40, 0), np.int64)
    assert neighbours(numbers, codes, RANDOM(0)).tolist() == by_hand(numbers, codes)


def test_a_row_like_it_is_no_neighbour_and_ties_go_to_the_earlier() -> None:
    numbers = np.array([[1.0], [1.0], [3.0], [5.0], [3.0]])
    none = np.zeros((5, 0), np.int64)
    assert neighbours(numbers, none, RANDOM(0)).tolist() == [2, 2, 0, 2, 0]


def test_a_row_without_any_that_differs_is_its_own() -> None:
    same = np.full((3, 2), 4.0)
    codes = np.ones((3, 1), np.int64)
    assert neighbours(same, codes, RANDOM(0)).tolist() == [0, 1, 2]
    assert neighbours(same[:1], codes[:1], RANDOM(0)).tolist() == [0]
    assert neighbours(same[:0], codes[:0], RANDOM(0)).tolist() == []


def test_a_column_that_is_missing_throughout_says_nothing() -> None:
    numbers = np.array([[np.nan, 1.0], [np.nan, 9.0], [np.nan, 2.0]])
    assert neighbours(numbers, np.zeros((3, 0), np.int64), RANDOM(0)).tolist() == [2, 2, 0]


def test_numbers_at_their_largest_stay_finite() -> None:
    numbers = np.array([[-9e15], [9e15], [8e15]])
    with np.errstate(all="raise"):
        found = neighbours(numbers, np.zeros((3, 0), np.int64), RANDOM(0))
    assert found.tolist() == [2, 2, 1]


def test_many_rows_are_halved_and_neighbours_stay_near(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, codes = table(1000)
    numbers, codes = np.nan_to_num(numbers), codes * 0
    scaled = (numbers - numbers.min(0)) / np.ptp(numbers, axis=0)
    apart = [
        np.linalg.norm(scaled - scaled[near], axis=1).mean()
        for near in (neighbours(numbers, codes, RANDOM(0)), _halved(monkeypatch, numbers, codes))
    ]
    anyone = np.linalg.norm(scaled - scaled[RANDOM(1).permutation(1000)], axis=1).mean()
    assert apart[0] < apart[1] < 2.5 * apart[0] < 0.5 * anyone


def test_halves_are_the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers, codes = table(300, seed=3)
    one, same = (_halved(monkeypatch, numbers, codes) for _ in range(2))
    assert np.array_equal(one, same)
    assert (one != np.arange(300)).all()


def _halved(monkeypatch: pytest.MonkeyPatch, numbers: np.ndarray, codes: np.ndarray) -> np.ndarray:
    with monkeypatch.context() as context:
        context.setattr(module, "BLOCK", 64)
        context.setattr(module, "_ASKING", 10)
        return neighbours(numbers, codes, RANDOM(0))
