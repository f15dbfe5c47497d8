from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks.spec import Decoded, Ragged
from kd2edge.validate.selection import concatenated, joined, rows_of, stacked

LISTS = st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=8)


def ragged(lists) -> Ragged:
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in lists])]).astype(np.int64)
    return Ragged(np.array([value for part in lists for value in part], np.int64), offsets)


def lists(values: Ragged) -> list[list[int]]:
    return [values.row(index).tolist() for index in range(values.rows)]


@given(LISTS, LISTS)
def test_stacking_is_concatenation_of_rows(a, b):
    assert lists(stacked([ragged(a), ragged(b)])) == a + b


@given(LISTS, st.data())
def test_picking_rows_is_indexing(a, data):
    rows = data.draw(st.lists(st.integers(0, len(a) - 1), max_size=6))
    found = rows_of(ragged(a), np.array(rows, np.int64))
    assert lists(found) == [a[row] for row in rows]


def test_flat_values_are_picked_and_stacked_too():
    values = np.arange(6).reshape(3, 2)
    assert rows_of(values, np.array([2, 0])).tolist() == [[4, 5], [0, 1]]
    assert stacked([values, values[:1]]).shape == (4, 2)


@given(st.integers(1, 8), st.data())
def test_joining_puts_every_row_at_its_place(count, data):
    chosen = sorted(data.draw(st.sets(st.integers(0, count - 1))))
    rest = [row for row in range(count) if row not in chosen]

    def decoded(rows) -> Decoded:
        labels = ragged([[row] * (row % 3) for row in rows])
        return Decoded(labels, labels)

    parts = [(decoded(rows), np.array(rows, np.int64)) for rows in (chosen, rest)]
    found = joined(*parts[0], *parts[1])
    assert isinstance(found.labels, Ragged)
    assert lists(found.labels) == [[row] * (row % 3) for row in range(count)]


def test_decoded_batches_become_one():
    part = Decoded(np.array([1]), np.array([[0.1, 0.9]], np.float32))
    assert concatenated([part, part]).labels.tolist() == [1, 1]
