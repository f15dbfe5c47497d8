from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.runtime.quick import QUICK
from kd2edge.tasks.kinds import TASK_KINDS, task_kind
from kd2edge.tasks.spec import TaskName, TaskSpec

LOGIT = st.floats(width=32, allow_nan=True, allow_infinity=True) | st.floats(-20, 20, width=32)
TEMPERATURE = st.sampled_from([0.5, 1.0, 4.0])


def slow(spec: TaskSpec, logits: np.ndarray) -> list[Any]:
    kind = task_kind(spec.kind)
    return kind.answers(spec, kind.decode(spec, logits))


def quick(spec: TaskSpec, logits: np.ndarray) -> list[Any] | None:
    answers = QUICK[spec.kind](spec)
    assert answers is not None
    return answers(logits)


def assert_same(found: list[Any] | None, wanted: list[Any]) -> None:
    """The same labels, and scores that differ by rounding; None is the right to stay silent."""
    if found is None:
        return
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        one, other = (one[0], other[0]) if isinstance(one, list) else (one, other)
        assert list(one) == list(other)
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-6)
        assert 0 <= one["score"] <= 1


@pytest.mark.parametrize("few", [0, 1000])
@given(data=st.data(), channels=st.integers(1, 5), rows=st.integers(1, 4), temperature=TEMPERATURE)
def test_classification_answers_as_its_kind_does(few, data, channels, rows, temperature):
    values = data.draw(st.lists(LOGIT, min_size=channels * rows, max_size=channels * rows))
    logits = np.array(values, np.float32).reshape(rows, channels)
    labels = tuple(f"label {index}" for index in range(channels))
    spec = TaskSpec(
        TaskName("t"), "classification", labels, "accuracy", decode={"temperature": temperature}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)  # plain Python, or NumPy
        assert_same(quick(spec, logits), slow(spec, logits))


@given(st.lists(LOGIT, min_size=1, max_size=5), TEMPERATURE, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_binary_answers_as_its_kind_does(values: list[float], temperature: float, limit: float):
    logits = np.array(values, np.float32)[:, None]
    decode = {"temperature": temperature, "threshold": limit}
    spec = TaskSpec(TaskName("t"), "binary", ("no", "yes"), "accuracy", decode=decode)
    assert_same(quick(spec, logits), slow(spec, logits))


def test_ordinary_logits_are_answered_and_odd_ones_are_left_to_the_kind():
    many = TaskSpec(TaskName("t"), "classification", ("a", "b"), "accuracy")
    two = TaskSpec(TaskName("t"), "binary", ("no", "yes"), "accuracy")
    assert quick(many, np.array([[1.0, 1.0], [-3.0, 5.0]])) is not None
    assert quick(two, np.array([[1.0], [-5.0]])) is not None
    for odd in (np.nan, np.inf):
        assert quick(many, np.array([[1.0, odd]])) is None
    assert quick(two, np.array([[np.nan]])) is None
    assert quick(two, np.array([[0.0]])) is None  # on the threshold
    assert quick(two, np.array([[-1000.0]])) is None


@pytest.mark.parametrize("rows", [1, 64])
def test_a_sure_answer_is_no_surer_than_certain(rows: int):
    spec = TaskSpec(TaskName("t"), "classification", tuple("0123456789"), "accuracy")
    logits = np.random.default_rng(0).normal(0, 1, (rows, 10)).astype(np.float32)
    logits[:, 3] += 15
    assert_same(quick(spec, logits), slow(spec, logits))


@pytest.mark.parametrize("rows", [1, 64])
def test_rows_whose_powers_would_vanish_are_left_to_the_kind(rows: int):
    spec = TaskSpec(TaskName("t"), "classification", tuple("0123456789"), "accuracy")
    assert quick(spec, np.full((rows, 10), -742.0)) is None


def test_several_labels_are_left_to_the_kind():
    spec = TaskSpec(TaskName("t"), "classification", ("a", "b"), "accuracy", decode={"top_k": 2})
    assert QUICK["classification"](spec) is None


def test_every_quick_kind_is_a_task_kind():
    assert set(QUICK) <= set(TASK_KINDS)
