from __future__ import annotations

import numpy as np

from kd2edge.metrics.items import cut_off, has_label, taken
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, NOTHING, Decoded, Truth

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


def test_labelled_words_without_a_decision_are_cut_off() -> None:
    offsets = np.array([0, 3, 5])
    truth = Truth(Ragged(np.array([0, 1, 1, MISSING, 0]), offsets))
    scores = Ragged(np.ones((5, 2), np.float32), offsets)
    decided = Ragged(np.array([0, -1, -1, -1, 0]), offsets)
    assert cut_off(truth, Decoded(decided, scores)) == 2
    rows = Decoded(np.array([-1]), np.ones((1, 2), np.float32))
    assert cut_off(Truth(np.array([1])), rows) == 0
