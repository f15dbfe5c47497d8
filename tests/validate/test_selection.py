from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks.spec import Decoded
from kd2edge.validate.selection import joined, stacked


def ragged(lists) -> Ragged:
    offsets = offsets_of(np.array([len(part) for part in lists]))
    return Ragged(np.array([value for part in lists for value in part], np.int64), offsets)


def lists(values: Ragged) -> list[list[int]]:
    return [values.row(index).tolist() for index in range(values.rows)]


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
    assert stacked([part, part]).labels.tolist() == [1, 1]
