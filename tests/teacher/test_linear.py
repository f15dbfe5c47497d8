"""Linear models over words: what scikit-learn says by a longer way, for every kind of task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from kd2edge.errors import DataError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec, Truth
from kd2edge.teacher.linear import LinearSettings, TextRows, linear_over_words

WORDS = ["cat", "dog", "bird", "a", "the", "runs", "sings", "sleeps"]
SETTINGS = LinearSettings(words=1, strengths=(1.0,), seed=3)


def texts_of(count: int, seed: int = 0) -> list[str]:
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, draw.integers(2, 7))) for _ in range(count)]


def weighed(train: list[str], texts: list[str]) -> np.ndarray:
    """TF-IDF written out: (1 + ln tf) (1 + ln (1 + n) / (1 + df)), rows of length 1."""
    counter = CountVectorizer(token_pattern=r"(?u)\b\w+\b").fit(train)
    seen = counter.transform(train).toarray() > 0
    idf = 1 + np.log((1 + len(train)) / (1 + seen.sum(0)))
    counts = counter.transform(texts).toarray().astype(float)
    found = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0) * idf
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def spec_of(kind: str, labels: tuple[str, ...], metric: str, **more: Any) -> TaskSpec:
    return TaskSpec(TaskName("told"), kind, labels, metric, (metric,), **more)


def fitted(spec: TaskSpec, labels: np.ndarray, settings: LinearSettings = SETTINGS, seed: int = 0):
    texts = texts_of(len(labels), seed)
    truth = Truth(values=labels) if spec.kind == "regression" else Truth(labels)
    rows = TextRows(texts, {"told": truth})
    return texts, linear_over_words([spec], rows, rows, settings)


def has(texts: list[str], word: str) -> np.ndarray:
    return np.array([word in text.split() for text in texts]).astype(np.int64)


def odds(texts: list[str], labels: np.ndarray, strength: float = 1.0) -> np.ndarray:
    matrix = weighed(texts, texts)
    # LIBLINEAR's intercept is regularised like a word of its own, as in the code under test.
    own = LogisticRegression(C=strength, solver="liblinear", dual=False, tol=1e-8, max_iter=5000)
    return own.fit(matrix, labels).decision_function(matrix)


def test_a_binary_task_has_the_log_odds_of_logistic_regression() -> None:
    labels = has(texts_of(300), "cat")
    texts, linear = fitted(spec_of("binary", ("no", "yes"), "auc"), labels)
    found = linear.logits(texts)["told"]
    assert found.shape == (300, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], odds(texts, labels), atol=0.02)
    assert linear.parameters == len(WORDS) + 1


def test_a_class_has_the_share_of_its_odds_against_all_others() -> None:
    texts = texts_of(300)
    labels = has(texts, "cat") + has(texts, "dog")  # 0, 1, 2; class 3 is never shown
    _, linear = fitted(spec_of("classification", ("x", "y", "z", "w"), "accuracy"), labels)
    found = linear.logits(texts)["told"]
    chances = 1 / (1 + np.exp(-np.stack([odds(texts, labels == one) for one in range(3)], 1)))
    np.testing.assert_allclose(
        np.exp(found[:, :3]), chances / chances.sum(1, keepdims=True), atol=5e-3
    )
    np.testing.assert_allclose(found[:, 3], np.log(0.5 / 300), rtol=1e-6)


def test_two_classes_of_a_distribution_add_up_to_one() -> None:
    labels = has(texts_of(200), "dog")
    texts, linear = fitted(spec_of("ordinal", ("low", "high"), "level_mae"), labels)
    found = linear.logits(texts)["told"]
    np.testing.assert_allclose(np.exp(found).sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], odds(texts, labels), atol=0.02)


def test_several_labels_are_told_apart_and_one_that_all_have_is_all_but_sure() -> None:
    texts = texts_of(200)
    labels = np.stack([has(texts, "cat"), has(texts, "bird"), np.ones(200, np.int64)], 1)
    _, linear = fitted(spec_of("multi_label", ("a", "b", "c"), "micro_f1"), labels)
    found = linear.logits(texts)["told"]
    np.testing.assert_allclose(found[:, 1], odds(texts, labels[:, 1]), atol=0.02)
    np.testing.assert_allclose(found[:, 2], np.log(200.5 / 0.5), rtol=1e-6)


def test_values_are_those_of_ridge_regression_as_nets_give_them() -> None:
    texts = texts_of(200)
    values = 10.0 + 3.0 * has(texts, "runs")
    spec = spec_of("regression", (), "mae", decode={"mean": 11.0, "spread": 2.0})
    _, linear = fitted(spec, values.astype(np.float32))
    matrix = weighed(texts, texts)
    own = Ridge(alpha=1.0).fit(matrix, (values - 11.0) / 2.0).predict(matrix)
    np.testing.assert_allclose(linear.logits(texts)["told"][:, 0], own, atol=1e-4)


def test_rows_without_a_label_teach_nothing() -> None:
    texts = texts_of(300)
    labels = has(texts, "cat")
    spec = spec_of("binary", ("no", "yes"), "auc")
    judged = TextRows(texts, {"told": Truth(labels)})
    some = labels.copy()
    some[200:] = MISSING
    other = labels.copy()
    other[200:] = MISSING
    shuffled = texts[:200] + texts[200:][::-1]  # the same words, so the same weights
    one = linear_over_words([spec], TextRows(texts, {"told": Truth(some)}), judged, SETTINGS)
    two = linear_over_words([spec], TextRows(shuffled, {"told": Truth(other)}), judged, SETTINGS)
    assert np.array_equal(one.logits(texts)["told"], two.logits(texts)["told"])


def test_the_strength_that_is_best_on_the_validation_rows_is_taken() -> None:
    texts = texts_of(400)
    draw = np.random.default_rng(1)
    labels = np.where(draw.random(400) < 0.3, draw.integers(0, 2, 400), has(texts, "cat"))
    spec = spec_of("binary", ("no", "yes"), "auc")
    train = TextRows(texts[:300], {"told": Truth(labels[:300])})
    judged = TextRows(texts[300:], {"told": Truth(labels[300:])})
    both = linear_over_words([spec], train, judged, LinearSettings(3, (1e-6, 1.0, 1e4), 3))
    alone = {
        strength: _auc(
            spec,
            labels[300:],
            linear_over_words([spec], train, judged, LinearSettings(3, (strength,), 3)).logits(
                texts[300:]
            )["told"],
        )
        for strength in (1e-6, 1.0, 1e4)
    }
    assert alone[both.strengths["told"]] == max(alone.values())


def _auc(spec: TaskSpec, labels: np.ndarray, logits: np.ndarray) -> float:
    scores = task_kind("binary").decode(spec, logits).scores
    yes, no = scores[labels == 1][:, None], scores[labels == 0][None]
    return float(((yes > no) + 0.5 * (yes == no)).mean())


@pytest.mark.parametrize("kind", ["binary", "classification"])
def test_labels_that_leave_nothing_to_learn_are_refused(kind: str) -> None:
    spec = spec_of(kind, ("no", "yes"), "accuracy")
    with pytest.raises(DataError, match="every labelled training row says 'yes'"):
        fitted(spec, np.ones(20, np.int64))
    with pytest.raises(DataError, match="no training row has a label"):
        fitted(spec, np.full(20, MISSING))


def test_texts_without_a_word_are_refused() -> None:
    spec = spec_of("binary", ("no", "yes"), "auc")
    rows = TextRows(["", "!!"], {"told": Truth(np.array([0, 1]))})
    with pytest.raises(DataError, match="has a word"):
        linear_over_words([spec], rows, rows, SETTINGS)
