from __future__ import annotations

import numpy as np

from kd2edge.data.columns import concatenated, offsets_of, ranges, reordered
from kd2edge.tasks.spec import Ragged


def ragged(*rows: list[int]) -> Ragged:
    flat = [value for row in rows for value in row]
    return Ragged(np.array(flat, dtype=np.int64), offsets_of(np.array([len(row) for row in rows])))


def rows_of(column: Ragged) -> list[list[int]]:
    return [column.row(at).tolist() for at in range(column.rows)]


def test_ranges_follow_one_another() -> None:
    assert ranges(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist() == [5, 6, 9, 10, 11]
    assert ranges(np.array([], np.int64), np.array([], np.int64)).tolist() == []


def test_ragged_rows_keep_their_values_in_any_order() -> None:
    column = concatenated([ragged([1], [2, 3]), ragged([], [4, 5, 6])])
    assert isinstance(column, Ragged)
    assert rows_of(column) == [[1], [2, 3], [], [4, 5, 6]]
    turned = reordered(column, np.array([3, 0, 2, 1]))
    assert isinstance(turned, Ragged)
    assert rows_of(turned) == [[4, 5, 6], [1], [], [2, 3]]


def test_plain_rows_keep_their_values_in_any_order() -> None:
    column = concatenated([np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]])])
    assert reordered(column, np.array([1, 0])).tolist() == [[3.0, 4.0], [1.0, 2.0]]
