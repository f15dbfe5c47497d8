from __future__ import annotations

import numpy as np

from kd2edge.metrics.items import has_label, taken
from kd2edge.tasks.spec import MISSING, NOTHING, Decoded, Ragged, Truth

#: Row 0: two objects; row 1: looked at and empty; row 2: nobody looked.
OBJECTS = Truth(
    Ragged(
        np.array([[1, 0, 0, 4, 4], [0, 2, 2, 6, 6], [NOTHING, 0, 0, 0, 0], [MISSING, 0, 0, 0, 0]]),
        np.array([0, 2, 3, 4]),
    )
)


def test_a_row_that_was_found_empty_is_labelled_and_one_that_nobody_saw_is_not() -> None:
    assert has_label(OBJECTS).tolist() == [True, True, False]


def test_lists_of_objects_are_taken_row_by_row() -> None:
    seen = Decoded(
        Ragged(np.array([1, 0]), np.array([0, 1, 2, 2])),
        Ragged(np.ones((2, 5), np.float32), np.array([0, 1, 2, 2])),
    )
    truth, decoded = taken(OBJECTS, seen, np.array([2, 0]))
    assert isinstance(truth.labels, Ragged)
    assert isinstance(decoded.scores, Ragged)
    assert truth.labels.row(1).tolist() == [[1, 0, 0, 4, 4], [0, 2, 2, 6, 6]]
    assert decoded.scores.row(0).shape == (0, 5)
    assert decoded.scores.row(1).shape == (1, 5)
