"""A given teacher's numbers become the logits that its task has."""

from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.spec import Output, TaskName, TaskSpec
from kd2edge.teacher.given.said import Said, logits_from, one_output, require_same_labels


def task(kind: str, *labels: str, **more: str) -> TaskSpec:
    return TaskSpec(TaskName("t"), kind, labels, "", **more)


TOWN = task("classification", "bern", "oslo", "rome")
WORD = task("token_classification", "X", "Y", input="words")
YES = task("binary", "no", "yes")
LIKES = task("multi_label", "tea", "rum")
PAY = task("regression")
LOGITS = np.array([[2.0, -1.0, 0.5], [-30.0, 30.0, 0.0]], np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


def asked(spec: TaskSpec, array: object, gives: str = "logits") -> np.ndarray:
    return logits_from(spec, Said(gives, spec.labels), np.asarray(array), "it")  # type: ignore[arg-type]


def test_logits_stay_as_they_are() -> None:
    assert asked(TOWN, LOGITS).tolist() == LOGITS.tolist()


@pytest.mark.parametrize("spec", [TOWN, task("ordinal", "0", "1", "2")])
def test_a_softmax_gives_probabilities_back(spec: TaskSpec) -> None:
    found = asked(spec, softmax(LOGITS), "probabilities")
    assert found.dtype == np.float32
    np.testing.assert_allclose(softmax(found), softmax(LOGITS), atol=1e-7)


def test_a_sigmoid_gives_probabilities_of_labels_one_by_one_back() -> None:
    found = asked(LIKES, sigmoid(LOGITS[:1, :2]), "probabilities")
    np.testing.assert_allclose(found, LOGITS[:1, :2], atol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_number_says_yes(shape: tuple[int, ...]) -> None:
    logits = np.array([-3.0, 0.0, 0.5, 6.0])
    assert asked(YES, logits.reshape(shape)).tolist() == logits[:, None].tolist()
    found = asked(YES, sigmoid(logits).reshape(shape), "probabilities")
    np.testing.assert_allclose(found[:, 0], logits, atol=1e-4)


def test_two_numbers_of_a_yes_or_no_are_a_softmax_of_both() -> None:
    both = np.array([[0.0, 2.0], [5.0, 1.0]], np.float32)
    assert asked(YES, both).tolist() == [[2.0], [-4.0]]
    np.testing.assert_allclose(asked(YES, softmax(both), "probabilities"), [[2], [-4]], atol=1e-5)


def test_chances_of_none_and_all_stay_finite_and_fit_float16() -> None:
    found = asked(TOWN, [[1.0, 0.0, 0.0]], "probabilities")
    assert np.isfinite(found.astype(np.float16)).all()
    np.testing.assert_allclose(softmax(found), [[1, 0, 0]], atol=1e-12)
    found = asked(YES, [[0.0], [1.0]], "probabilities")
    assert np.isfinite(found).all()
    assert found[0, 0] < -80
    assert found[1, 0] > 80


def test_words_have_numbers_each() -> None:
    array = np.zeros((2, 5, 2), np.float64)
    assert asked(WORD, array).shape == (2, 5, 2)
    with pytest.raises(DataError, match=r"expected numbers \[batch, length, 2\], found \[2, 2\]"):
        asked(WORD, array[:, 0])


def test_values_are_in_their_own_unit() -> None:
    said = Said("logits", ())
    own = said.own(task("regression"))
    assert own.decode == {}
    assert asked(PAY, [3.5, 4.0]).tolist() == [[3.5], [4.0]]


@pytest.mark.parametrize(
    ("spec", "array", "gives", "match"),
    [
        (TOWN, LOGITS[:, :2], "logits", r"expected numbers \[batch, 3\], found \[2, 2\]"),
        (YES, LOGITS, "logits", r"expected numbers \[batch, 1\], found \[2, 3\]"),
        (TOWN, LOGITS, "probabilities", "found -30: does it give logits"),
        (TOWN, LOGITS[:1] / 2, "probabilities", "found -0.5: does it give logits"),
        (TOWN, [[0.5, 0.5, 0.5]], "probabilities", "found a sum of 1.5"),
        (TOWN, [["bern"]], "logits", "name the output of the scores"),
        (TOWN, [[0, 0, 0], [1, np.nan, 0]], "logits", "1 of 2 rows, the first of them row 1"),
        (TOWN, [[np.inf, 0, 0]], "logits", "not finite"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused(
    spec: TaskSpec, array: object, gives: str, match: str
) -> None:
    with pytest.raises(DataError, match=match):
        asked(spec, array, gives)


def test_labels_may_stand_in_another_order_and_must_be_the_same() -> None:
    require_same_labels(TOWN, ("rome", "bern", "oslo"))
    match = "missing are 'oslo'; unknown are 'kiel'; twice stand 'bern'"
    with pytest.raises(DataError, match=match):
        require_same_labels(TOWN, ("rome", "bern", "bern", "kiel"))
    many = task("classification", *map(str, range(20)))
    with pytest.raises(DataError, match="and 15 more"):
        require_same_labels(many, ())


def test_a_task_of_several_arrays_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert one_output(TOWN).channels == 3
    two = {"t.begin": Output(1, "softmax"), "t.end": Output(1, "softmax")}
    monkeypatch.setattr("kd2edge.teacher.given.said.outputs_of", lambda spec: two)
    with pytest.raises(UsageError, match="answers rows or words by one array"):
        one_output(TOWN)
