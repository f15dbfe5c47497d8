from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kd2edge.tasks import MISSING, TaskSpec, task_kind

Spec = Callable[..., TaskSpec]
KIND = task_kind("multi_label")
LABELS = ("card", "pin", "lost")


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_target_has_a_one_for_every_label_that_the_row_has(spec: Spec) -> None:
    task = spec("multi_label", LABELS)
    said = [["pin", "card"], [], ("lost",), np.array(["lost", "pin"], object)]
    found = [
        target["labels"].tolist() for target in (KIND.target(task, one) for one in said) if target
    ]
    assert found == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 1]]
    assert [KIND.target(task, value) for value in (None, float("nan"), "")] == [None] * 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["pni"], "unknown label 'pni'; did you mean 'pin'"),
        ("pin", "expected a list of labels .* found a str"),
        (0.5, "expected a list of labels .* found a float"),
        (["pin", None], "leave it out of the list"),
        ([0.5], "the fraction 0.5"),
    ],
)
def test_a_target_refuses_other_things(spec: Spec, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KIND.target(spec("multi_label", LABELS), value)


def test_an_empty_list_is_known_and_a_missing_value_is_not(spec: Spec) -> None:
    task = spec("multi_label", LABELS)
    truth = KIND.truth(task, [KIND.target(task, []), None])
    assert np.asarray(truth.labels).tolist() == [[0, 0, 0], [MISSING] * 3]


def test_labels_are_those_of_all_rows() -> None:
    assert KIND.labels_from_values([["b", "a"], None, [], ["c"]]) == ("a", "b", "c")
    assert KIND.labels_from_values(["b", "a"]) == ("a", "b")  # one by one


def test_every_label_that_reaches_the_threshold_is_decided(spec: Spec) -> None:
    decoded = KIND.decode(spec("multi_label", LABELS), rows([2, 0, -2], [-1, -1, -1]))
    assert np.asarray(decoded.labels).tolist() == [[1, 1, 0], [0, 0, 0]]
    strict = KIND.decode(spec("multi_label", LABELS, threshold=0.7), rows([2, 0, -2]))
    assert np.asarray(strict.labels).tolist() == [[1, 0, 0]]


def test_an_answer_lists_the_decided_labels_best_first(spec: Spec) -> None:
    task = spec("multi_label", LABELS)
    decoded = KIND.decode(task, rows([1, 3, -2], [-1, -1, -1]))
    first, second = KIND.answers(task, decoded)
    assert [one["label"] for one in first] == ["pin", "card"]
    assert first[0]["score"] == pytest.approx(0.9525741)
    assert type(first[0]["score"]) is float
    assert second == []
    most = KIND.answers(task, decoded, top_k=1)
    assert [[one["label"] for one in row] for row in most] == [["pin"], ["card"]]
    several = spec("multi_label", LABELS, top_k=2)
    assert [len(row) for row in KIND.answers(several, KIND.decode(several, rows([1, 3, -2])))] == [
        2
    ]


@given(
    npst.arrays(
        np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(-9, 9, width=32)
    )
)
def test_an_answer_says_what_was_decided_and_the_pack_keeps_it(spec: Spec, logits: Any) -> None:
    task = spec("multi_label", LABELS)
    decoded = KIND.decode(task, logits)
    answers = KIND.answers(task, decoded)
    assert [KIND.said(task, answer) for answer in answers] == KIND.decided(task, decoded)
    found = KIND.unpack(task, KIND.pack(decoded))
    assert np.array_equal(np.asarray(found.labels), np.asarray(decoded.labels))
    assert np.array_equal(np.asarray(found.scores), np.asarray(decoded.scores))


def test_rows_are_compared_label_by_label(spec: Spec) -> None:
    task = spec("multi_label", LABELS)
    one, other = (KIND.decode(task, rows([2, -2, 1], [values, 1, 1])) for values in (0.5, -0.5))
    found = KIND.compared(task, one, other)
    assert np.flatnonzero(found.differ).tolist() == [3]
    assert (found.rows[3], found.places[3]) == (1, 0)
    assert KIND.text(task, found.wanted[3], 0) == "card"
    assert KIND.text(task, found.found[3], 0) == "not card"
    assert KIND.margins(task, one)[3] == pytest.approx(1 / (1 + np.exp(-0.5)) - 0.5)


def test_logits_that_say_nothing_decide_nothing(spec: Spec) -> None:
    task = spec("multi_label", LABELS)
    decoded = KIND.decode(task, rows([np.nan, 1, 1]))
    assert np.asarray(decoded.labels).tolist() == [[-1, 1, 1]]
    assert [one["label"] for one in KIND.answers(task, decoded)[0]] == ["pin", "lost"]
