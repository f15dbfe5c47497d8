from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kd2edge.tasks import MISSING, TaskSpec, task_kind

Spec = Callable[..., TaskSpec]
KIND = task_kind("binary")
LABELS = ("no", "yes")


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (["yes", "no", None, "no"], ("no", "yes")),
        ([1, 0], ("0", "1")),
        ([True, False], ("false", "true")),
        ([], ()),
    ],
)
def test_the_positive_label_is_the_second(values: list[object], labels: tuple[str, ...]) -> None:
    assert KIND.labels_from_values(values) == labels


@pytest.mark.parametrize("values", [["yes"], ["a", "b", "c"]])
def test_other_numbers_of_labels_are_refused(values: list[str]) -> None:
    with pytest.raises(ValueError, match=f"needs two labels, found {len(values)}"):
        KIND.labels_from_values(values)


def test_target(spec: Spec) -> None:
    task = spec("binary", LABELS)
    assert [KIND.target(task, value) for value in ("no", "yes")] == [{"labels": 0}, {"labels": 1}]
    assert [KIND.target(task, value) for value in (None, float("nan"), "", " ")] == [None] * 4
    with pytest.raises(ValueError, match=r"the fraction 0\.5"):
        KIND.target(task, 0.5)


def test_answers_give_the_positive_labels_probability(spec: Spec) -> None:
    task = spec("binary", LABELS)
    answers = KIND.answers(task, KIND.decode(task, column(2.0, -2.0, 0.0)))
    assert [answer["label"] for answer in answers] == ["yes", "no", "yes"]
    assert [answer["score"] for answer in answers] == pytest.approx([0.8807971, 0.1192029, 0.5])
    assert type(answers[0]["score"]) is float


def test_threshold_moves_the_decision_and_no_score(spec: Spec) -> None:
    low, high = (spec("binary", LABELS, threshold=value) for value in (0.1, 0.9))
    values = column(2.0, -2.0)
    assert [a["label"] for a in KIND.answers(low, KIND.decode(low, values))] == ["yes", "yes"]
    assert [a["label"] for a in KIND.answers(high, KIND.decode(high, values))] == ["no", "no"]
    assert np.array_equal(KIND.decode(low, values).scores, KIND.decode(high, values).scores)  # pyright: ignore


def test_temperature_softens(spec: Spec) -> None:
    decoded = KIND.decode(spec("binary", LABELS, temperature=2.0), column(2.0))
    assert decoded.scores.tolist() == pytest.approx([0.7310586])  # pyright: ignore


@pytest.mark.parametrize("rows", [1, 50])
def test_nan_is_answered_without_a_label(spec: Spec, rows: int) -> None:
    task = spec("binary", LABELS)
    decoded = KIND.decode(task, column(*[np.nan] * rows))
    assert decoded.labels.tolist() == [-1] * rows  # pyright: ignore
    assert KIND.answers(task, decoded) == [{"score": 0.0, "label": None}] * rows


@given(
    npst.arrays(np.float32, st.tuples(st.integers(1, 40), st.just(1)), elements=st.floats(width=32))
)
def test_unpack_gives_back_what_was_packed(spec: Spec, values: np.ndarray) -> None:
    task = spec("binary", LABELS)
    decoded = KIND.decode(task, values)
    found = KIND.unpack(task, KIND.pack(decoded))
    assert np.array_equal(found.labels, decoded.labels)  # pyright: ignore
    assert np.array_equal(found.scores, decoded.scores)  # pyright: ignore


def test_truth_keeps_missing_labels(spec: Spec) -> None:
    truth = KIND.truth(spec("binary", LABELS), [{"labels": np.array(1)}, None])
    assert truth.labels.tolist() == [1, MISSING]  # pyright: ignore
