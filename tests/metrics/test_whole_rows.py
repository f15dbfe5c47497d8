"""Whole rows against a count by hand, over kinds of tasks that decide on labels."""

from __future__ import annotations

import numpy as np

from kd2edge.metrics import evaluate
from kd2edge.metrics.whole_rows import WHOLE, labelling, whole_decoded, whole_truth
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth


def spec(name: str, kind: str, labels: tuple[str, ...] = ("a", "b")) -> TaskSpec:
    return TaskSpec(TaskName(name), kind, labels, "accuracy")


INTENT, SLOTS = spec("intent", "classification"), spec("slots", "token_classification")
FLAGS, PRICE = spec("flags", "multi_label"), spec("price", "regression", ())
OFFSETS = np.array([0, 2, 3, 5, 6])
#: Row 0 is right; row 1's intent is wrong; a word of row 2 is cut off; row 3 has no slots.
TRUTHS = {
    "intent": Truth(np.array([0, 1, 1, 0])),
    "slots": Truth(Ragged(np.array([0, 1, 0, 1, 1, MISSING]), OFFSETS)),
    "flags": Truth(np.array([[1, 0], [0, 0], [1, 1], [MISSING, 1]])),
}
SAID = {
    "intent": Decoded(np.array([0, 0, 1, 0])),
    "slots": Decoded(Ragged(np.array([0, 1, 0, 1, -1, 1]), OFFSETS)),
    "flags": Decoded(np.array([[1, 0], [0, 0], [1, 0], [0, 1]])),
}


def labels(one: Truth | Decoded) -> list[int]:
    return np.asarray(one.labels).tolist()


def test_a_row_is_right_where_all_of_its_tasks_are() -> None:
    assert labels(whole_decoded([INTENT, SLOTS], TRUTHS, SAID))[:3] == [1, 0, 0]
    assert labels(whole_decoded([INTENT, FLAGS], TRUTHS, SAID)) == [1, 0, 0, 1]


def test_a_row_counts_where_every_task_has_a_label_of_it() -> None:
    assert whole_truth([], TRUTHS) is None
    nobody = Truth(np.full(4, MISSING))
    assert whole_truth([INTENT, SLOTS], {**TRUTHS, "intent": nobody}) is None
    truth = whole_truth([INTENT, SLOTS], TRUTHS)
    assert truth is not None
    assert labels(truth) == [1, 1, 1, MISSING]
    found = evaluate(WHOLE, truth, whole_decoded([INTENT, SLOTS], TRUTHS, SAID), "accuracy")
    assert (found.value, found.rows) == (1 / 3, 3)
    assert 0 < found.low < found.value < found.high < 1


def test_whole_rows_are_of_two_tasks_or_more_and_of_none_that_have_values() -> None:
    assert labelling([INTENT, PRICE]) == []
    assert labelling([INTENT, PRICE, SLOTS]) == [INTENT, SLOTS]
    assert labelling([FLAGS, spec("stars", "ordinal"), spec("again", "binary")])[0] is FLAGS
