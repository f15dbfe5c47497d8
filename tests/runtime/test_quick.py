from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.runtime.quick import QUICK
from kd2edge.tasks.kinds import TASK_KINDS, task_kind
from kd2edge.tasks.spec import Columns, TaskName, TaskSpec

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
    for row, other_row in zip(found, wanted, strict=True):
        several = isinstance(row, list)
        assert isinstance(other_row, list) == several
        for one, other in zip(
            *((row, other_row) if several else ([row], [other_row])), strict=True
        ):
            assert list(one) == list(other)
            assert one["label"] == other["label"]
            assert one["score"] == pytest.approx(other["score"], abs=1e-6)
            assert 0 <= one["score"] <= 1


def spec_of(kind: str, labels: int, **decode: float) -> TaskSpec:
    names = tuple(f"label {index}" for index in range(labels))
    return TaskSpec(TaskName("t"), kind, names, "accuracy", decode=decode)


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("kind", ["classification", "ordinal"])
@given(data=st.data(), channels=st.integers(1, 5), rows=st.integers(1, 4), temperature=TEMPERATURE)
def test_one_label_a_row_is_what_its_kind_answers(few, kind, data, channels, rows, temperature):
    values = data.draw(st.lists(LOGIT, min_size=channels * rows, max_size=channels * rows))
    logits = np.array(values, np.float32).reshape(rows, channels)
    spec = spec_of(kind, channels, temperature=temperature)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)  # plain Python, or NumPy
        assert_same(quick(spec, logits), slow(spec, logits))


@pytest.mark.parametrize("few", [0, 1000])
@given(
    data=st.data(),
    levels=st.integers(2, 6),
    rows=st.integers(1, 4),
    temperature=TEMPERATURE,
    quantile=st.sampled_from((0.0, 0.001, 0.2, 0.5, 0.77, 0.999, 1.0)),
)
def test_levels_are_decided_at_the_quantile_of_their_kind(
    few, data, levels, rows, temperature, quantile
):
    values = data.draw(st.lists(LOGIT, min_size=levels * rows, max_size=levels * rows))
    logits = np.array(values, np.float32).reshape(rows, levels)
    spec = spec_of("ordinal", levels, temperature=temperature, quantile=quantile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)
        assert_same(quick(spec, logits), slow(spec, logits))


REJECTING = st.sampled_from(
    [{"least_probability": one} for one in (0.0, 0.4, 0.9, 1.0)]
    + [{"most_energy": one} for one in (-9.0, -1.5, 0.0, 1.7976931348623157e308)]
)


@pytest.mark.parametrize("few", [0, 1000])
@given(
    data=st.data(),
    channels=st.integers(2, 5),
    rows=st.integers(1, 4),
    temperature=TEMPERATURE,
    setting=REJECTING,
    heat=TEMPERATURE,
)
def test_what_is_rejected_is_what_its_kind_rejects(
    few, data, channels, rows, temperature, setting, heat
):
    values = data.draw(st.lists(LOGIT, min_size=channels * rows, max_size=channels * rows))
    reject = data.draw(st.integers(0, channels - 1))
    logits = np.array(values, np.float32).reshape(rows, channels)
    decode = {
        "temperature": temperature, "scope_temperature": heat, "reject": reject, **setting
    }  # fmt: skip
    spec = spec_of("classification", channels, **decode)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)
        assert_same(quick(spec, logits), slow(spec, logits))


@pytest.mark.parametrize(
    "setting",
    [
        {"least_probability": 0.5}, {"most_energy": -2.0},
        {"least_probability": 0.3, "scope_temperature": 2.0},
    ],
)  # fmt: skip
def test_ordinary_rows_are_rejected_without_the_kind_alone_and_together(setting):
    spec = spec_of("classification", 8, reject=3, **setting)
    logits = np.random.default_rng(1).normal(0, 1.5, (64, 8)).astype(np.float32)
    together = quick(spec, logits)
    assert together is not None
    assert_same(together, slow(spec, logits))
    alone = [quick(spec, row[None]) for row in logits]
    assert_same([one[0] for one in alone if one is not None], together)
    counts = [answer[0]["label"] == "label 3" for answer in together]
    assert 10 < sum(counts) < 54


COSINE = st.floats(-1, 1, width=32) | st.sampled_from((float("nan"), float("inf")))


@pytest.mark.parametrize("few", [0, 1000])
@given(
    data=st.data(),
    labels=st.integers(2, 5),
    rows=st.integers(1, 4),
    temperature=TEMPERATURE,
    limit=st.floats(-2, 1, width=32),
)
def test_what_is_far_from_every_prototype_is_what_its_kind_rejects(
    few, data, labels, rows, temperature, limit
):
    values = data.draw(st.lists(LOGIT, min_size=labels * rows, max_size=labels * rows))
    logits = np.array(values, np.float32).reshape(rows, labels)
    # On the threshold, too: a row is kept that reaches it.
    near = data.draw(st.lists(COSINE | st.just(limit), min_size=rows, max_size=rows))
    cosines = np.array(near, np.float32)[:, None]
    spec = spec_of(
        "classification",
        labels,
        temperature=temperature,
        reject=labels - 1,
        least_cosine=limit,
        prototypes=3,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)
        found = QUICK["classification"](spec)(logits, cosines)
    kind = task_kind("classification")
    decoded = kind.decode(spec, Columns({"": logits, "scope": cosines}))
    assert_same(found, kind.answers(spec, decoded))
    ordinary = np.isfinite(logits).all() and np.abs(logits).max() <= 20 and temperature >= 0.5
    assert found is not None or not (ordinary and np.isfinite(cosines).all())


def test_a_score_on_the_threshold_is_left_to_the_kind():
    even = np.array([[0.0, 0.0, -9.0]], np.float32)
    top = float(1 / (2 + np.exp(-9.0)))
    for setting in ({"least_probability": top}, {"most_energy": -float(np.log(2))}):
        spec = spec_of("classification", 3, reject=2, **setting)
        assert quick(spec, even) is None
        assert quick(spec, np.tile(even, (64, 1))) is None
        assert quick(spec, even + [[0.1, 0, 0]]) is not None


@pytest.mark.parametrize("few", [0, 1000])
@given(
    data=st.data(),
    channels=st.integers(1, 5),
    rows=st.integers(1, 4),
    temperature=TEMPERATURE,
    limit=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
)
def test_several_labels_a_row_are_those_of_the_kind_in_its_order(
    few, data, channels, rows, temperature, limit
):
    values = data.draw(st.lists(LOGIT, min_size=channels * rows, max_size=channels * rows))
    logits = np.array(values, np.float32).reshape(rows, channels)
    spec = spec_of("multi_label", channels, temperature=temperature, threshold=limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.runtime.quick._FEW", few)
        assert_same(quick(spec, logits), slow(spec, logits))


@given(
    st.lists(LOGIT, min_size=1, max_size=5),
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.sampled_from([{}, {"low": 0.0}, {"low": -3.5, "high": 1e5}]),
)
def test_values_are_those_of_the_kind_to_the_last_bit(values, mean, spread, stated):
    spec = spec_of("regression", 0, mean=mean, spread=spread, **stated)
    logits = np.array(values, np.float32)[:, None]
    with np.errstate(over="ignore"):  # values beyond single precision are infinite in both
        found, wanted = quick(spec, logits), slow(spec, logits)
    assert found is None or found == wanted


@given(st.lists(LOGIT, min_size=1, max_size=5), TEMPERATURE, st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_binary_answers_as_its_kind_does(values: list[float], temperature: float, limit: float):
    logits = np.array(values, np.float32)[:, None]
    spec = spec_of("binary", 2, temperature=temperature, threshold=limit)
    assert_same(quick(spec, logits), slow(spec, logits))


@pytest.mark.parametrize("rows", [1, 20])
def test_ordinary_logits_are_answered_and_odd_ones_are_left_to_the_kind(rows: int):
    for kind in QUICK:
        labels = {"regression": 0, "binary": 2}.get(kind, 4)
        spec = spec_of(kind, labels)
        (output,) = task_kind(kind).outputs(spec)
        channels = output.channels
        logits = np.random.default_rng(0).normal(0, 3, (rows, channels)).astype(np.float32)
        assert quick(spec, logits) is not None
        logits[-1, -1] = np.nan
        assert quick(spec, logits) is None
        logits[-1, -1] = np.inf
        assert quick(spec, logits) is None or kind == "binary"  # of which it is certain


def test_scores_on_a_border_are_left_to_the_kind():
    assert quick(spec_of("binary", 2), np.array([[0.0]])) is None
    assert quick(spec_of("binary", 2), np.array([[-1000.0]])) is None
    assert quick(spec_of("ordinal", 2), np.array([[1.0, 1.0]])) is None  # the median is both
    assert quick(spec_of("multi_label", 2), np.array([[1.0, 1.0]])) is None  # which one first
    assert quick(spec_of("classification", 2), np.array([[1.0, 1.0], [-3.0, 5.0]])) is not None


@pytest.mark.parametrize("rows", [1, 64])
def test_a_sure_answer_is_no_surer_than_certain(rows: int):
    spec = spec_of("classification", 10)
    logits = np.random.default_rng(0).normal(0, 1, (rows, 10)).astype(np.float32)
    logits[:, 3] += 15
    assert_same(quick(spec, logits), slow(spec, logits))


@pytest.mark.parametrize("rows", [1, 64])
def test_rows_whose_powers_would_vanish_are_left_to_the_kind(rows: int):
    spec = spec_of("classification", 10)
    assert quick(spec, np.full((rows, 10), -742.0)) is None


@pytest.mark.parametrize("kind", ["classification", "ordinal", "multi_label"])
def test_a_stated_number_of_labels_is_left_to_the_kind(kind: str):
    assert QUICK[kind](spec_of(kind, 3, top_k=2)) is None


def test_every_quick_kind_is_a_task_kind():
    assert set(QUICK) <= set(TASK_KINDS)
