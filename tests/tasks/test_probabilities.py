from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from kd2edge.tasks import Decoded, Ragged
from kd2edge.tasks.probabilities import (
    Decisions,
    best_of,
    decided_scores,
    row_decisions,
    sigmoid_decisions,
    softmax_decisions,
    word_decisions,
)

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 9))
ANY = st.floats(width=32, allow_nan=True, allow_infinity=True)
FINITE = st.floats(-(2.0**99), 2.0**99, width=32)
LOGITS = npst.arrays(np.float32, SHAPES, elements=ANY)


def reference(logits: np.ndarray, temperature: float) -> Decisions:
    """Row by row, in the plainest words."""
    labels, scores = [], []
    for row in logits.astype(np.float64):
        if np.isnan(row).any() or not np.isfinite(row.max()):
            labels.append(-1)
            scores.append(np.zeros(len(row)))
        else:
            parts = np.exp((row - row.max()) / temperature)
            labels.append(int(np.argmax(row)))
            scores.append(parts / parts.sum())
    return Decisions(np.array(labels), np.array(scores, np.float32))


@given(logits=LOGITS, temperature=st.sampled_from([0.1, 1.0, 4.0]))
def test_softmax_is_that_of_the_textbook(logits: np.ndarray, temperature: float) -> None:
    found, wanted = softmax_decisions(logits, temperature), reference(logits, temperature)
    assert found.labels.tolist() == wanted.labels.tolist()
    assert np.allclose(found.scores, wanted.scores, rtol=1e-6, atol=1e-12)
    assert (found.labels.dtype, found.scores.dtype) == (np.int64, np.float32)


@given(npst.arrays(np.float32, SHAPES, elements=FINITE))
def test_softmax_sums_to_one_and_leads_with_the_decision(logits: np.ndarray) -> None:
    labels, scores = softmax_decisions(logits, 1.0)
    assert np.allclose(scores.sum(axis=1), 1.0, atol=1e-5)
    assert (scores[np.arange(len(labels)), labels] == scores.max(axis=1)).all()


@given(logits=LOGITS)
def test_softmax_does_not_depend_on_the_size_of_the_batch(logits: np.ndarray) -> None:
    together = softmax_decisions(np.tile(logits, (40, 1)), 2.0)
    for row, one in enumerate(logits):
        alone = softmax_decisions(one[None], 2.0)
        assert alone.labels[0] == together.labels[row]
        assert np.allclose(alone.scores[0], together.scores[row], rtol=1e-6, atol=0)


@pytest.mark.parametrize("rows", [1, 50])
def test_equal_logits_go_to_the_first(rows: int) -> None:
    logits = np.tile(np.array([[1.0, 3.0, 3.0, 0.0]], np.float32), (rows, 1))
    assert softmax_decisions(logits, 1.0).labels.tolist() == [1] * rows


def test_logits_without_rows_give_no_decisions() -> None:
    labels, scores = softmax_decisions(np.zeros((0, 5), np.float32), 1.0)
    assert labels.shape == (0,)
    assert scores.shape == (0, 5)
    labels, scores = sigmoid_decisions(np.zeros(0, np.float32), 1.0, 0.5)
    assert labels.shape == scores.shape == (0,)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("rows", [1, 50])
def test_any_floating_type_is_taken(dtype: Any, rows: int) -> None:
    logits = np.tile(np.array([[0.0, 2.0]], dtype), (rows, 1))
    labels, scores = softmax_decisions(logits, 1.0)
    assert labels.tolist() == [1] * rows
    assert np.allclose(scores, [[0.11920292, 0.88079708]])


@given(
    logits=npst.arrays(np.float32, st.integers(1, 50), elements=ANY),
    temperature=st.sampled_from([0.5, 1.0, 3.0]),
    threshold=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_sigmoid_is_that_of_the_textbook(
    logits: np.ndarray, temperature: float, threshold: float
) -> None:
    labels, scores = sigmoid_decisions(logits, temperature, threshold)
    for logit, label, score in zip(logits.astype(np.float64), labels, scores, strict=True):
        if np.isnan(logit):
            assert (label, score) == (-1, 0.0)
            continue
        wanted = 1 / (1 + np.exp(min(-logit / temperature, 700.0)))
        assert score == pytest.approx(wanted, rel=1e-6)
        if abs(wanted - threshold) > 1e-6:
            assert label == (wanted >= threshold)


@pytest.mark.parametrize("rows", [1, 50])
@pytest.mark.parametrize(
    ("threshold", "label"), [(0.5, 1), (0.0, 1), (1.0, 0), (0.51, 0), (0.49, 1)]
)
def test_a_score_that_reaches_the_threshold_is_positive(
    rows: int, threshold: float, label: int
) -> None:
    labels, scores = sigmoid_decisions(np.zeros(rows, np.float32), 1.0, threshold)
    assert labels.tolist() == [label] * rows
    assert scores.tolist() == [0.5] * rows


def test_unlikely_scores_keep_their_order() -> None:
    scores = sigmoid_decisions(-np.arange(80.0, dtype=np.float32), 1.0, 0.5).scores
    assert (np.diff(scores) < 0).all()


@given(
    scores=npst.arrays(np.float32, SHAPES, elements=st.sampled_from([0.0, 0.25, 0.5])),
    top_k=st.integers(1, 10),
    data=st.data(),
)
def test_best_leads_with_the_decision_then_by_score_then_by_place(
    scores: np.ndarray, top_k: int, data: st.DataObject
) -> None:
    items, classes = scores.shape
    labels = np.array([data.draw(st.integers(0, classes - 1)) for _ in range(items)], np.int64)
    best = best_of(Decisions(labels, scores), top_k)
    assert best.labels.shape == best.scores.shape == (items, min(top_k, classes))
    for item in range(items):
        others = [label for label in range(classes) if label != labels[item]]
        ranked = sorted(others, key=lambda label: (-scores[item, label], label))
        assert best.labels[item].tolist() == [labels[item], *ranked][:top_k]
        assert np.array_equal(best.scores[item], scores[item, best.labels[item]])


@pytest.mark.parametrize("items", [2, 40])
def test_decided_scores_are_zero_without_a_decision(items: int) -> None:
    logits = np.tile(np.array([[0.0, np.nan], [0.0, 0.0]], np.float32), (items // 2, 1))
    assert decided_scores(softmax_decisions(logits, 1.0)) == [0.0, 0.5] * (items // 2)


def test_decisions_over_rows_and_over_words_are_not_confused() -> None:
    labels, scores = np.zeros(2, np.int64), np.zeros((2, 3), np.float32)
    offsets = np.array([0, 2])
    by_row, by_word = (
        Decoded(labels, scores),
        Decoded(Ragged(labels, offsets), Ragged(scores, offsets)),
    )
    assert row_decisions(by_row).labels is labels
    assert word_decisions(by_word).scores is scores
    with pytest.raises(ValueError, match="found decisions over words"):
        row_decisions(by_word)
    with pytest.raises(ValueError, match="found one a row"):
        word_decisions(by_row)
