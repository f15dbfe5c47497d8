"""Named columns over the same rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks.spec import Decoded, Truth


def ragged(lists) -> Ragged:
    offsets = offsets_of(np.array([len(part) for part in lists]))
    return Ragged(np.array([value for part in lists for value in part], np.int64), offsets)


def lists(values: Ragged) -> list[list[int]]:
    return [values.row(index).tolist() for index in range(values.rows)]


@given(st.integers(1, 8), st.data())
def test_weaving_puts_every_row_at_its_place(count, data):
    chosen = sorted(data.draw(st.sets(st.integers(0, count - 1))))
    rest = [row for row in range(count) if row not in chosen]

    def decoded(rows) -> Decoded:
        labels = ragged([[row] * (row % 3) for row in rows])
        return Decoded(labels, labels)

    parts = [(decoded(rows), np.array(rows, np.int64)) for rows in (chosen, rest)]
    found = parts[0][0].woven(parts[0][1], *parts[1])
    assert isinstance(found.labels, Ragged)
    assert lists(found.labels) == [[row] * (row % 3) for row in range(count)]


def test_decoded_batches_become_one():
    part = Decoded(np.array([1]), np.array([[0.1, 0.9]], np.float32))
    assert Decoded.joined([part, part]).labels.tolist() == [1, 1]


def test_columns_have_the_names_that_their_kind_gives():
    found = Decoded(values=np.array([1.5, 2.5], np.float32))
    assert dict(found.items()).keys() == {"values"}
    assert len(found) == 2
    assert found.taken(np.array([1]))["values"].tolist() == [2.5]
    boxes = Ragged(np.zeros((3, 4), np.float32), np.array([0, 2, 3]))
    truth = Truth(Ragged(np.array([1, 0, 1]), boxes.offsets), boxes=boxes)
    assert len(truth) == 2
    assert truth.taken(np.array([0]))["boxes"].values.shape == (2, 4)
