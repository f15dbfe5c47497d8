from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.ragged import Ragged, concatenated, first, offsets_of, ranges, taken

Lists = list[list[int]]
LISTS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=8)


def ragged(lists: Lists) -> Ragged:
    flat = [value for part in lists for value in part]
    lengths = np.array([len(part) for part in lists])
    return Ragged(np.array(flat, np.int64), offsets_of(lengths))


def lists(column: Any) -> Lists:
    return [column.row(index).tolist() for index in range(column.rows)]


def test_ranges_follow_one_another() -> None:
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(np.array([], np.int64), np.array([], np.int64)).tolist() == []


@given(LISTS)
def test_every_value_has_its_row_and_its_place(a: Lists) -> None:
    column = ragged(a)
    assert column.lengths.tolist() == [len(part) for part in a]
    assert column.owners.tolist() == [row for row, part in enumerate(a) for _ in part]
    assert column.places.tolist() == [place for part in a for place in range(len(part))]


@given(LISTS, LISTS)
def test_rows_follow_one_another(a: Lists, b: Lists) -> None:
    assert lists(concatenated([ragged(a), ragged(b)])) == a + b


@given(LISTS, st.data())
def test_rows_are_taken_by_their_numbers(a: Lists, data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(a) - 1), max_size=6))
    found = taken(ragged(a), np.array(rows, np.int64))
    assert lists(found) == [a[row] for row in rows]


@given(LISTS, st.integers(0, 9))
def test_the_first_rows_are_those_of_a_list(a: Lists, count: int) -> None:
    assert lists(first(ragged(a), count)) == a[:count]


def test_plain_columns_are_taken_and_joined_too() -> None:
    values = np.arange(6).reshape(3, 2)
    assert taken(values, np.array([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert concatenated([values, values[:1]]).shape == (4, 2)
    assert first(values, 2).tolist() == [[0, 1], [2, 3]]
