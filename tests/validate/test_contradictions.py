from __future__ import annotations

import numpy as np
import pytest

from kd2edge.ragged import Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec
from kd2edge.validate.contradictions import TIE, contradictions

ROW = TaskSpec(TaskName("t"), "classification", ("a", "b", "c"), "accuracy")
YES = TaskSpec(TaskName("t"), "binary", ("no", "yes"), "accuracy", decode={"threshold": 0.3})
WORD = TaskSpec(TaskName("t"), "token_classification", ("O", "B-x", "I-x"), "accuracy")
HASHES = np.array([5, 9, 5, 7], np.uint64)  # rows 0 and 2 have one input


def decide(spec: TaskSpec, values: list[list[float]]) -> Decoded:
    logits = np.array(values, np.float32)
    if spec is not WORD:
        return task_kind(spec.kind).decode(spec, logits)
    offsets = np.arange(len(values) + 1, dtype=np.int64)  # a word a row
    return task_kind(spec.kind).decode(spec, Ragged(logits, offsets))


@pytest.mark.parametrize("spec", [ROW, WORD])
@pytest.mark.parametrize(("third", "refused"), [
    ([3.0, 0.0, 0.0], False), ([0.0, 3.0, 0.0], True), ([1.0, 1.0 + 1e-5, 0.0], True),
])  # fmt: skip
def test_an_input_is_decided_once(spec, third, refused):
    values = [[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], third, [0.0, 0.0, 1.0]]
    found = contradictions(HASHES, {"t": decide(spec, values)}, {"t": spec})
    assert found == ({"t": (0, 2)} if refused else {})


@pytest.mark.parametrize("spec", [ROW, WORD])
def test_rounding_may_turn_a_tie_of_equal_inputs(spec):
    values = [[1.0, 1.0 + 1e-5, 0.0], [0.0, 1.0, 0.0], [1.0 + 1e-5, 1.0, 0.0], [0.0, 0.0, 1.0]]
    decoded = decide(spec, values)
    assert task_kind(spec.kind).margins(spec, decoded)[[0, 2]].max() < TIE
    assert contradictions(HASHES, {"t": decoded}, {"t": spec}) == {}


@pytest.mark.parametrize(("score", "refused"), [(0.2996, False), (0.25, True)])
def test_a_binary_decision_is_measured_from_its_threshold(score, refused):
    logits = [[float(np.log(p / (1 - p)))] for p in (0.3004, 0.9, score, 0.1)]
    found = contradictions(HASHES, {"t": decide(YES, logits)}, {"t": YES})
    assert bool(found) == refused


def test_one_input_cannot_have_two_numbers_of_words():
    offsets = np.array([0, 1, 2, 4, 5], np.int64)
    decoded = task_kind(WORD.kind).decode(WORD, Ragged(np.zeros((5, 3), np.float32), offsets))
    assert contradictions(HASHES, {"t": decoded}, {"t": WORD}) == {"t": (0, 2)}
