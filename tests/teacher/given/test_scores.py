"""What estimators say is brought to one array a task, whatever method and form it comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher.given.scores import question

X = np.random.default_rng(0).normal(size=(60, 3))
THREE = np.array(["b", "a", "c"])[X.argmax(1)]
TWO = X[:, 0] > 0
MANY = (X > 0).astype(int)
TASKS = {
    kind: TaskSpec(TaskName(kind), kind, labels, "")
    for kind, labels in (
        ("classification", ("a", "b", "c")),
        ("ordinal", ("0", "1", "2")),
        ("binary", ("false", "true")),
        ("multi_label", ("x", "y", "z")),
        ("regression", ()),
    )
}


def asked(estimator: Any, kind: str, method: Any = None, output: int | None = None) -> np.ndarray:
    task = TASKS[kind]
    return question(estimator, task, method, output, "file").scores(X, task)


def test_probabilities_are_asked_for_first_and_labels_are_its_classes() -> None:
    found = LogisticRegression().fit(X, THREE)
    one = question(found, TASKS["classification"], None, None, "file")
    assert one.method == "predict_proba"
    assert one.gives(TASKS["classification"]) == "probabilities"
    assert one.labels(TASKS["classification"]) == ("a", "b", "c")
    np.testing.assert_array_equal(asked(found, "classification"), found.predict_proba(X))
    levels = LogisticRegression().fit(X, X.argmax(1))
    assert question(levels, TASKS["ordinal"], None, None, "").labels(TASKS["ordinal"]) == (
        "0",
        "1",
        "2",
    )
    sides = LogisticRegression().fit(X, TWO)
    assert question(sides, TASKS["binary"], None, None, "").labels(TASKS["binary"]) == (
        "false",
        "true",
    )


def test_scores_count_as_logits() -> None:
    found = LinearSVC().fit(X, THREE)
    one = question(found, TASKS["classification"], None, None, "file")
    assert (one.method, one.gives(TASKS["classification"])) == ("decision_function", "logits")
    np.testing.assert_array_equal(asked(found, "classification"), found.decision_function(X))


def test_one_score_of_two_classes_is_for_the_second() -> None:
    """A softmax over (0, s) is a sigmoid of s: the model's own probabilities."""
    found = LogisticRegression().fit(X, np.where(TWO, "yes", "no"))
    scores = asked(found, "classification", "decision_function")
    odds = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(odds, found.predict_proba(X), atol=1e-9)
    assert asked(found, "binary", "decision_function").shape == (60,)


def test_decisions_are_certain_and_only_taken_when_asked_for() -> None:
    from sklearn.neighbors import NearestCentroid

    class Decides(NearestCentroid):
        predict_proba = decision_function = property()

    found = Decides().fit(X, THREE)
    with pytest.raises(UsageError, match=r"or decision_function.*state `call: predict`"):
        question(found, TASKS["classification"], None, None, "file")
    chances = asked(found, "classification", "predict")
    assert (chances.sum(1) == 1).all()
    assert (found.classes_[chances.argmax(1)] == found.predict(X)).all()


@pytest.mark.parametrize("several", [MultiOutputClassifier, OneVsRestClassifier, None])
def test_labels_of_one_row_are_the_chances_of_a_yes(several: Any) -> None:
    base = KNeighborsClassifier(5)
    found = (base if several is None else several(base)).fit(X, MANY)
    # Written out: the share of yes among the five nearest rows.
    near = ((X[:, None] - X) ** 2).sum(2).argsort(1)[:, :5]
    np.testing.assert_allclose(asked(found, "multi_label"), MANY[near].mean(1))
    one = question(found, TASKS["multi_label"], None, None, "file")
    assert one.labels(TASKS["multi_label"]) is None  # the recipe names them


def test_a_label_that_no_row_or_every_row_of_the_fit_had() -> None:
    sides = MANY.copy()
    sides[:, 0], sides[:, 1] = 0, 1
    found = asked(KNeighborsClassifier(5).fit(X, sides), "multi_label")
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] == 1).all()
    assert 0 < found[:, 2].mean() < 1


def test_one_of_several_outputs_is_named() -> None:
    both = np.stack([THREE, np.where(TWO, "yes", "no")], 1)
    found = MultiOutputClassifier(LogisticRegression()).fit(X, both)
    np.testing.assert_array_equal(
        asked(found, "classification", output=0), found.predict_proba(X)[0]
    )
    np.testing.assert_array_equal(asked(found, "binary", output=1), found.predict_proba(X)[1])
    one = question(found, TASKS["binary"], None, 1, "file")
    assert one.labels(TASKS["binary"]) == ("no", "yes")
    values = LinearRegression().fit(X, X[:, :2])
    np.testing.assert_allclose(asked(values, "regression", output=1), X[:, 1])
    for output, said in ((None, "none is stated"), (2, "found 2")):
        with pytest.raises(DataError, match=f"has 2 outputs, .*{said}: state `output`"):
            asked(values, "regression", output=output)
        with pytest.raises(DataError, match=f"has 2 outputs, .*{said}: state `output`"):
            asked(found, "classification", output=output)


def test_values_are_predicted() -> None:
    found = LinearRegression().fit(X, X.sum(1))
    np.testing.assert_allclose(asked(found, "regression"), X.sum(1))
    column = LinearRegression().fit(X, X.sum(1, keepdims=True))
    np.testing.assert_allclose(asked(column, "regression"), X.sum(1))
    one = question(found, TASKS["regression"], None, None, "file")
    assert one.gives(TASKS["regression"]) == "logits"  # as they are
    assert one.labels(TASKS["regression"]) is None


def test_what_an_estimator_cannot_say_is_told() -> None:
    values = LinearRegression().fit(X, X.sum(1))
    with pytest.raises(UsageError, match="found LinearRegression without"):
        question(values, TASKS["binary"], None, None, "file")
    with pytest.raises(UsageError, match="expected a classifier, found LinearRegression"):
        question(values, TASKS["binary"], "predict", None, "file").labels(TASKS["binary"])
    with pytest.raises(UsageError, match="expected predict_proba, found LinearSVC without$"):
        question(LinearSVC().fit(X, TWO), TASKS["binary"], "predict_proba", None, "file")
