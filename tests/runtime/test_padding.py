from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.graph import GraphSpec
from kd2edge.runtime.padding import Padding

ARRAYS = (
    ArraySpec("ids", "int64", ("batch", "length")),
    ArraySpec("pixels", "uint8", ("batch", 1, 2)),
)


def padding(**ranges: tuple[int, int]) -> Padding:
    return Padding(GraphSpec(ARRAYS, ARRAYS, ranges))


def arrays(rows: int, length: int) -> dict[str, Any]:
    ids = np.arange(1, rows * length + 1).reshape(rows, length)
    return {"ids": ids, "pixels": np.ones((rows, 1, 2), np.uint8)}


def test_fills_rows_with_the_last_row_and_lengths_with_zeros():
    small = padding(batch=(4, 8), length=(3, 8))
    found = small.padded(arrays(2, 2))
    np.testing.assert_array_equal(found["ids"], [[1, 2, 0], [3, 4, 0], [3, 4, 0], [3, 4, 0]])
    assert found["pixels"].shape == (4, 1, 2)
    assert not small.is_needed(found)


@pytest.mark.parametrize(
    ("rows", "length", "needed"), [(4, 3, False), (8, 8, False), (3, 3, True), (4, 2, True)]
)
def test_is_needed_only_below_the_smallest(rows: int, length: int, needed: bool):
    small = padding(batch=(4, 8), length=(3, 8))
    assert small.is_needed(arrays(rows, length)) is needed
    found = small.padded(arrays(rows, length))
    assert found["ids"].shape == (max(4, rows), max(3, length))


def test_dynamic_dimensions_from_one_never_need_it():
    assert not padding().is_needed(arrays(1, 1))
    assert not padding(batch=(1, 8), length=(1, 8)).is_needed(arrays(1, 1))


def test_a_fixed_batch_needs_all_its_rows():
    fixed = (ArraySpec("ids", "int64", (4, "length")),)
    small = Padding(GraphSpec(fixed, fixed))
    assert small.is_needed({"ids": np.ones((3, 2), int)})
    assert small.padded({"ids": np.ones((3, 2), int)})["ids"].shape == (4, 2)


@pytest.mark.parametrize(
    "wrong", [{}, {"ids": None}, {"ids": [1, 2]}, {"ids": np.ones(9)}, None, {"ids": "a"}]
)
def test_what_is_wrong_is_left_to_the_check(wrong: Any):
    assert not padding(batch=(2, 8), length=(3, 8)).is_needed(wrong)


@pytest.mark.parametrize(
    "more", [{"pixels": np.ones((3, 1, 2), np.uint8)}, {"mask": np.ones((2, 3), int)}]
)
def test_arrays_that_do_not_belong_together_are_not_made_alike(more: dict[str, Any]):
    """Filled up to one size they would pass the check, and rows or words would be lost."""
    mask = ArraySpec("mask", "int64", ("batch", "length"))
    small = Padding(GraphSpec((*ARRAYS, mask), ARRAYS, {"batch": (4, 8), "length": (4, 8)}))
    whole = {**arrays(2, 2), "mask": np.ones((2, 2), int)}
    assert small.is_needed(whole)
    assert not small.is_needed(whole | more)


def test_two_sequences_have_a_least_length_each():
    one, two = (ArraySpec(f"{name}_ids", "int64", ("batch", f"{name}.length")) for name in "ab")
    both = Padding(GraphSpec((one, two), (), {"a.length": (4, 8), "b.length": (2, 8)}))
    rows = {"a_ids": np.ones((1, 3), int), "b_ids": np.ones((1, 5), int)}
    assert both.is_needed(rows)
    assert [array.shape for array in both.padded(rows).values()] == [(1, 4), (1, 5)]
    assert not both.is_needed(both.padded(rows))


def test_no_rows_stay_no_rows():
    found = padding(batch=(2, 8)).padded(arrays(0, 4))
    assert found["ids"].shape == (0, 4)
