from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kd2edge.tasks import MISSING, TaskSpec, task_kind

Spec = Callable[..., TaskSpec]
KIND = task_kind("classification")
LABELS = ("book", "play", "other")
LOGITS = npst.arrays(
    np.float32, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-9, 9, width=32)
)


def logits(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_target(spec: Spec) -> None:
    task = spec("classification", LABELS)
    assert KIND.target(task, "play") == {"labels": 1}
    assert KIND.target(task, None) is None
    with pytest.raises(ValueError, match="unknown label 'plai'; did you mean 'play'"):
        KIND.target(task, "plai")


def test_whole_numbers_and_truth_values_are_labels(spec: Spec) -> None:
    task = spec("classification", ("0", "1", "true"))
    found = [KIND.target(task, value) for value in (0, "1", True)]
    assert found == [{"labels": 0}, {"labels": 1}, {"labels": 2}]


def test_labels_come_in_a_stable_order() -> None:
    assert KIND.labels_from_values(["b", None, "a", "b"]) == ("a", "b")


def test_truth_keeps_missing_labels(spec: Spec) -> None:
    task = spec("classification", LABELS)
    truth = KIND.truth(task, [KIND.target(task, value) for value in ("other", None)])
    assert truth.labels.tolist() == [2, MISSING]  # pyright: ignore


def test_temperature_changes_scores_and_no_decision(spec: Spec) -> None:
    values = logits([0.0, 2.0, 1.0])
    cold, warm = (
        KIND.decode(spec("classification", LABELS, temperature=t), values) for t in (1.0, 10.0)
    )
    assert cold.labels.tolist() == warm.labels.tolist() == [1]  # pyright: ignore
    assert warm.scores[0, 1] < cold.scores[0, 1]  # pyright: ignore
    parts = np.exp(values / 10)
    assert np.allclose(warm.scores, parts / parts.sum())  # pyright: ignore


def test_an_answer_is_the_decided_label_and_its_score(spec: Spec) -> None:
    task = spec("classification", LABELS)
    decoded = KIND.decode(task, logits([0.0, 2.0, 2.0], [5.0, 0.0, 0.0]))
    answers = KIND.answers(task, decoded)
    assert [[part["label"] for part in row] for row in answers] == [["play"], ["book"]]
    assert answers[0][0]["score"] == pytest.approx(0.46831053)
    assert type(answers[0][0]["score"]) is float


def test_top_k_is_the_callers_then_the_tasks_then_one(spec: Spec) -> None:
    task = spec("classification", LABELS, top_k=2)
    decoded = KIND.decode(task, logits([1.0, 2.0, 3.0]))
    assert [part["label"] for part in KIND.answers(task, decoded)[0]] == ["other", "play"]
    assert len(KIND.answers(task, decoded, top_k=1)[0]) == 1
    assert len(KIND.answers(task, decoded, top_k=99)[0]) == 3
    assert len(KIND.answers(spec("classification", LABELS), decoded)[0]) == 1


@given(values=LOGITS, top_k=st.integers(1, 4))
def test_answers_are_sorted_and_lead_with_the_decision(
    spec: Spec, values: np.ndarray, top_k: int
) -> None:
    task = spec("classification", LABELS)
    decoded = KIND.decode(task, values)
    for row, answer in enumerate(KIND.answers(task, decoded, top_k=top_k)):
        scores = [part["score"] for part in answer]
        assert scores == sorted(scores, reverse=True)
        assert answer[0]["label"] == LABELS[np.argmax(values[row])]


@pytest.mark.parametrize("rows", [1, 30])
@pytest.mark.parametrize("top_k", [None, 2])
def test_nan_is_answered_without_a_label(spec: Spec, rows: int, top_k: int | None) -> None:
    task = spec("classification", LABELS)
    values = np.tile(logits([0.0, np.nan, 1.0]), (rows, 1))
    decoded = KIND.decode(task, values)
    assert decoded.labels.tolist() == [-1] * rows  # pyright: ignore
    answers = KIND.answers(task, decoded, top_k=top_k)
    assert answers == [[{"label": None, "score": 0.0}]] * rows
    assert "NaN" not in json.dumps(answers)


@given(values=LOGITS, top_k=st.integers(1, 5))
def test_unpack_gives_back_labels_and_the_best_scores(
    spec: Spec, values: np.ndarray, top_k: int
) -> None:
    task = spec("classification", LABELS)
    values[0] = np.nan
    decoded = KIND.decode(task, values)
    packed = KIND.pack(decoded, top_k)
    found = KIND.unpack(task, packed)
    assert found.labels.tolist() == decoded.labels.tolist()  # pyright: ignore
    assert np.allclose(found.scores.max(axis=1), decoded.scores.max(axis=1), atol=5e-4)  # pyright: ignore
    kept = found.scores > 0  # pyright: ignore
    assert np.allclose(found.scores[kept], decoded.scores[kept], atol=5e-4)  # pyright: ignore
    assert (kept.sum(axis=1) <= top_k).all()
    assert packed["top_scores"].dtype == np.float16
    again = KIND.answers(task, found, top_k=1)
    assert [row[0]["label"] for row in again] == [
        row[0]["label"] for row in KIND.answers(task, decoded)
    ]
