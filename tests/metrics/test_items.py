from __future__ import annotations

from dataclasses import replace

import numpy as np

from kd2edge.metrics.items import cut_off, has_label
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, NOTHING, Decoded, TaskName, TaskSpec, Truth

#: Row 0: two objects; row 1: looked at and empty; row 2: nobody looked.
OBJECTS = Truth(Ragged(np.array([1, 0, NOTHING, MISSING]), np.array([0, 2, 3, 4])))


def test_a_row_that_was_found_empty_is_labelled_and_one_that_nobody_saw_is_not() -> None:
    assert has_label(OBJECTS).tolist() == [True, True, False]


def test_a_row_of_several_numbers_is_labelled_by_any_of_them() -> None:
    assert has_label(Truth(np.array([[0, MISSING], [MISSING, MISSING]]))).tolist() == [True, False]
    values = np.array([1.5, np.nan], np.float32)
    assert has_label(Truth(values=values)).tolist() == [True, False]


def test_labelled_words_without_a_decision_are_cut_off() -> None:
    offsets = np.array([0, 3, 5])
    truth = Truth(Ragged(np.array([0, 1, 1, MISSING, 0]), offsets))
    scores = Ragged(np.ones((5, 2), np.float32), offsets)
    decided = Ragged(np.array([0, -1, -1, -1, 0]), offsets)
    words = TaskSpec(TaskName("w"), "token_classification", ("a", "b"), "accuracy")
    assert cut_off(words, truth, Decoded(decided, scores)) == 2
    rows = Decoded(np.array([-1]), np.ones((1, 2), np.float32))
    assert cut_off(replace(words, kind="classification"), Truth(np.array([1])), rows) == 0
