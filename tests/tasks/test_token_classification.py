from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks import MISSING, Ragged, TaskSpec, gather_words, task_kind
from kd2edge.tasks.origin import Origin

Spec = Callable[..., TaskSpec]
KIND = task_kind("token_classification")
BIO = ("O", "B-city", "I-city")
POS = ("NOUN", "VERB", "X")
WORDS = [[(0, 3, "New"), (4, 8, "York"), (8, 9, "!")], [], [(0, 2, "in"), (3, 8, "Paris")]]


def logits(*labels: int) -> np.ndarray:
    return np.eye(3, dtype=np.float32)[list(labels)] * 5


def ragged(*rows: np.ndarray) -> Ragged:
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    return Ragged(np.concatenate(rows), offsets)


DECIDED = ragged(
    logits(1, 2, 0), np.zeros((0, 3), np.float32), np.vstack([logits(0), [[np.nan] * 3]])
)


def test_target(spec: Spec) -> None:
    task = spec("token_classification", POS)
    said = [["VERB", None, "X"], np.array(["VERB"], object), []]
    found = [target["labels"] for target in (KIND.target(task, one) for one in said) if target]
    assert [one.tolist() for one in found] == [[1, MISSING, 2], [1], []]
    assert found[2].dtype == np.int64
    assert KIND.target(task, None) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["NOUN", "VERBE"], "word 2: unknown label 'VERBE'; did you mean 'VERB'"),
        (["NOUN", 0.5], "word 2: .*the fraction 0.5"),
        ("NOUN", "expected a list of labels, one a word, found a str"),
        (3, "expected a list of labels, one a word, found a int"),
    ],
)
def test_target_refuses_other_things(spec: Spec, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KIND.target(spec("token_classification", POS), value)


def test_labels_are_those_of_all_words() -> None:
    assert KIND.labels_from_values([["b", "a"], None, [], ["c", None]]) == ("a", "b", "c")


def test_truth_is_ragged_and_a_row_without_labels_has_no_words(spec: Spec) -> None:
    task = spec("token_classification", POS)
    truth = KIND.truth(task, [{"labels": np.array([1, 0])}, None, {"labels": np.array([2])}]).labels
    assert isinstance(truth, Ragged)
    assert truth.values.tolist() == [1, 0, 2]
    assert truth.offsets.tolist() == [0, 2, 2, 3]
    empty = KIND.truth(task, []).labels
    assert isinstance(empty, Ragged)
    assert empty.rows == 0


def starts_of(*rows: list[int]) -> tuple[Any, Any]:
    values = np.array([start for row in rows for start in row], np.int64)
    return values, np.cumsum([0, *map(len, rows)])


def test_gather_takes_the_first_piece_and_nan_for_words_cut_off() -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    found = gather_words(values, starts_of([1, 2, -1], [0]))
    assert found.offsets.tolist() == [0, 3, 4]
    assert np.array_equal(found.values, [[2, 3], [4, 5], [np.nan, np.nan], [6, 7]], equal_nan=True)


def test_gather_of_rows_without_words() -> None:
    found = gather_words(np.zeros((2, 2, 3), np.float32), starts_of([], []))
    assert found.values.shape == (0, 3)
    assert found.offsets.tolist() == [0, 0, 0]


@given(
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    seed=st.integers(0, 999),
)
def test_gather_is_row_by_row(counts: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(len(counts), 5, 2)).astype(np.float32)
    starts = [random.integers(-1, 5, count).tolist() for count in counts]
    before = values.copy()
    found = gather_words(values, starts_of(*starts))
    for row, count in enumerate(counts):
        wanted = [values[row, at] if at >= 0 else [np.nan] * 2 for at in starts[row]]
        assert np.array_equal(found.row(row), np.reshape(wanted, (count, 2)), equal_nan=True)
    assert np.array_equal(values, before)


def test_decode_marks_words_cut_off(spec: Spec) -> None:
    decoded = KIND.decode(spec("token_classification", BIO), DECIDED)
    assert isinstance(decoded.labels, Ragged)
    assert isinstance(decoded.scores, Ragged)
    assert decoded.labels.values.tolist() == [1, 2, 0, 0, -1]
    assert decoded.labels.offsets.tolist() == decoded.scores.offsets.tolist() == [0, 3, 3, 5]
    assert decoded.scores.values[4].tolist() == [0.0, 0.0, 0.0]


def test_bio_answers_are_spans(spec: Spec) -> None:
    task = spec("token_classification", BIO)
    answers = KIND.answers(task, KIND.decode(task, DECIDED), origin=Origin(WORDS))
    score = float(1 / (1 + 2 * np.exp(-5)))
    span = {
        "start": 0,
        "end": 8,
        "label": "city",
        "score": pytest.approx(score),
        "text": "New York",
    }
    assert answers == [[span], [], []]


def test_other_answers_are_words(spec: Spec) -> None:
    task = spec("token_classification", POS)
    answers = KIND.answers(task, KIND.decode(task, DECIDED), origin=Origin(WORDS))
    assert [[word["label"] for word in row] for row in answers] == [
        ["VERB", "X", "NOUN"],
        [],
        ["NOUN", None],
    ]
    assert answers[2][1] == {"start": 3, "end": 8, "label": None, "score": 0.0, "text": "Paris"}
    assert type(answers[0][0]["score"]) is float


def test_answers_need_words(spec: Spec) -> None:
    task = spec("token_classification", POS)
    with pytest.raises(ValueError, match="expected the words of each row"):
        KIND.answers(task, KIND.decode(task, DECIDED))


def test_temperature_softens(spec: Spec) -> None:
    cold, warm = (
        KIND.decode(spec("token_classification", POS, temperature=t), DECIDED).scores
        for t in (1.0, 4.0)
    )
    assert warm.values.max() < cold.values.max()  # pyright: ignore


def test_unpack_gives_back_labels_and_the_best_scores(spec: Spec) -> None:
    task = spec("token_classification", POS)
    decoded = KIND.decode(task, DECIDED)
    found = KIND.unpack(task, KIND.pack(decoded, top_k=1))
    values: list[list[np.ndarray]] = []
    for got, wanted in ((found.labels, decoded.labels), (found.scores, decoded.scores)):
        assert isinstance(got, Ragged)
        assert isinstance(wanted, Ragged)
        assert got.offsets.tolist() == wanted.offsets.tolist()
        values.append([np.asarray(got.values), np.asarray(wanted.values)])
    labels, scores = values
    assert labels[0].tolist() == labels[1].tolist()
    assert np.allclose(scores[0].max(axis=1), scores[1].max(axis=1), atol=5e-4)
