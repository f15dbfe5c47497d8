from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.special import logsumexp, softmax

from kd2edge.tasks import TaskSpec, task_kind
from kd2edge.tasks.reject import (
    Rejection,
    by_prototypes,
    prototypes_asked,
    prototypes_of,
    reject_label,
    rejection_of,
    scope_of,
    unfitted,
    with_limit,
    without_prototypes,
)
from kd2edge.tasks.spec import Columns

Spec = Callable[..., TaskSpec]
KIND = task_kind("classification")
LABELS = ("oos", "book", "play")
ROWS = st.integers(1, 20)
LOGITS = npst.arrays(np.float32, st.tuples(ROWS, st.just(3)), elements=st.floats(-9, 9, width=32))
ENDS = np.array([[1e4, -1e4, 0], [-1e4, 1e4, 0], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]], np.float32)


@pytest.fixture(scope="session")
def task(spec: Spec) -> Callable[..., TaskSpec]:
    def make(**decode: float) -> TaskSpec:
        return spec("classification", LABELS, reject=0, **decode)

    return make


def labels(decoded: Any) -> list[int]:
    return np.asarray(decoded.labels).tolist()


def test_settings_say_when_a_row_is_rejected(task: Spec, spec: Spec) -> None:
    assert rejection_of(spec("classification", LABELS)) is None
    assert reject_label(spec("classification", LABELS)) is None
    assert rejection_of(task(least_probability=0.3)) == Rejection(0, "probability", 0.3)
    # Above an energy a row is rejected: in scope is where the negative one is large.
    assert rejection_of(task(most_energy=-4.0)) == Rejection(0, "energy", 4.0)
    for by, key, limit in (
        ("probability", "least_probability", 0.5),
        ("energy", "most_energy", -0.5),
    ):
        before = spec("classification", LABELS, **unfitted(0, by, 0.9))
        after = with_limit(before, 0.5)
        assert after == {"reject": 0, key: limit, "in_scope_recall": 0.9}
    assert "in_scope_recall" not in unfitted(0, "energy", None)


@pytest.mark.parametrize("by", ["probability", "energy"])
@given(values=LOGITS)
def test_without_a_fitted_threshold_the_largest_logit_decides(by, values, spec) -> None:
    plain = spec("classification", LABELS)
    for logits in (values, ENDS):
        found = KIND.decode(spec("classification", LABELS, **unfitted(0, by, None)), logits)
        assert labels(found) == labels(KIND.decode(plain, logits))


@given(values=LOGITS, temperature=st.sampled_from([0.5, 1.0, 4.0]), limit=st.floats(0.05, 1.0))
def test_below_the_probability_of_another_label_a_row_is_rejected(
    values, temperature, limit, task
) -> None:
    decoded = KIND.decode(task(least_probability=limit, temperature=temperature), values)
    chances = softmax(values.astype(np.float64) / temperature, axis=1)
    scope = chances[:, 1:].max(axis=1)
    assert np.allclose(decoded["scope"], scope, atol=1e-6)
    assert np.allclose(decoded.scores, chances, atol=1e-6)  # whatever was decided
    clear = np.abs(scope - limit) > 1e-9
    wanted = np.where((scope < limit) | (values.argmax(1) == 0), 0, values.argmax(1))
    assert (np.asarray(decoded.labels) == wanted)[clear].all()


@given(values=LOGITS, heat=st.sampled_from([0.5, 2.0, 8.0]), limit=st.floats(0.05, 0.95))
def test_the_score_has_a_temperature_of_its_own_and_probabilities_keep_theirs(
    values, heat, limit, task
) -> None:
    spec = task(least_probability=limit, scope_temperature=heat, temperature=0.5)
    decoded = KIND.decode(spec, values)
    # Liang et al. 2018, equation 1, the largest over the labels that are no reject label.
    scope = softmax(values.astype(np.float64) / heat, axis=1)[:, 1:].max(axis=1)
    assert np.allclose(decoded["scope"], scope, atol=1e-6)
    assert np.allclose(decoded.scores, softmax(values.astype(np.float64) / 0.5, axis=1), atol=1e-6)
    clear = np.abs(scope - limit) > 1e-9
    wanted = np.where((scope < limit) | (values.argmax(1) == 0), 0, values.argmax(1))
    assert (np.asarray(decoded.labels) == wanted)[clear].all()


def test_a_temperature_of_the_score_is_told(spec: Spec) -> None:
    settings = unfitted(0, "probability", None, 2.0)
    assert settings["scope_temperature"] == 2.0
    assert "scope_temperature" not in unfitted(0, "probability", None)
    rejection = rejection_of(spec("classification", LABELS, **settings))
    assert rejection is not None
    told = rejection.text(spec("classification", LABELS, **settings))
    assert "probability (temperature 2) reaches 0" in told


@given(values=LOGITS, temperature=st.sampled_from([0.5, 1.0, 4.0]), limit=st.floats(-12, 12))
def test_above_the_energy_of_the_others_a_row_is_rejected(values, temperature, limit, task) -> None:
    decoded = KIND.decode(task(most_energy=limit, temperature=temperature), values)
    # Liu et al. 2020, equation 4: E = -T log sum exp(f / T), without the reject label.
    energy = -temperature * logsumexp(values[:, 1:].astype(np.float64) / temperature, axis=1)
    assert np.allclose(-np.asarray(decoded["scope"]), energy, atol=1e-5)
    clear = np.abs(energy - limit) > 1e-9
    wanted = np.where((energy > limit) | (values.argmax(1) == 0), 0, values.argmax(1))
    assert (np.asarray(decoded.labels) == wanted)[clear].all()


@pytest.mark.parametrize("setting", [{"least_probability": 0.7}, {"most_energy": -1.0}])
def test_extreme_logits_give_finite_scores(setting, task: Spec) -> None:
    with np.errstate(all="raise", under="ignore"):
        decoded = KIND.decode(task(**setting), ENDS)
    assert np.isfinite(decoded["scope"]).all()
    assert np.isfinite(decoded.scores).all()  # pyright: ignore
    assert np.isfinite(KIND.margins(task(**setting), decoded)).all()
    assert labels(decoded)[:2] == [0, 1]


@pytest.mark.parametrize("setting", [{"least_probability": 0.7}, {"most_energy": -1.0}])
def test_what_logits_say_nothing_of_is_not_rejected(setting, task: Spec) -> None:
    values = np.array([[0, np.nan, 1], [np.inf, 0, 0], [-np.inf] * 3, [0, -np.inf, 9]], np.float32)
    decoded = KIND.decode(task(**setting), values)
    assert labels(decoded) == [-1, -1, -1, 2]
    assert np.isfinite(decoded["scope"]).all()
    alone = KIND.decode(task(**setting), np.array([[0, -np.inf, -np.inf]], np.float32))
    assert labels(alone) == [0]
    assert np.isfinite(alone["scope"]).all()


def test_a_row_that_reaches_the_threshold_is_answered(task: Spec) -> None:
    values = np.array([[-20.0, 3.0, 1.0]], np.float32)
    at = float(scope_of(task(least_probability=0.0), Rejection(0, "probability", 0.0), values)[0])
    assert labels(KIND.decode(task(least_probability=at), values)) == [1]
    assert labels(KIND.decode(task(least_probability=float(np.nextafter(at, 2))), values)) == [0]


def test_an_answer_is_the_reject_label_with_its_own_probability(task: Spec) -> None:
    values = np.log(np.array([[0.1, 0.5, 0.4], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])).astype(
        np.float32
    )
    spec = task(least_probability=0.6)
    decoded = KIND.decode(spec, values)
    first, second, third = KIND.answers(spec, decoded, top_k=2)
    assert [one["label"] for one in first] == ["oos", "book"]
    assert [one["score"] for one in first] == pytest.approx([0.1, 0.5], abs=1e-6)
    assert [one["label"] for one in second] == ["book", "oos"]
    assert [one["label"] for one in third] == ["oos", "book"]
    assert KIND.decided(spec, decoded) == [["oos"], ["book"], ["oos"]]
    assert KIND.said(spec, first) == ["oos"]


@pytest.mark.parametrize("setting", [{"least_probability": 0.7}, {"most_energy": -1.0}])
@given(values=LOGITS)
def test_unpack_gives_back_decisions_and_how_clear_they_were(setting, values, task) -> None:
    spec = task(**setting)
    decoded = KIND.decode(spec, values)
    found = KIND.unpack(spec, KIND.pack(decoded))
    assert labels(found) == labels(decoded)
    assert np.array_equal(found["scope"], decoded["scope"])
    assert np.allclose(KIND.margins(spec, found), KIND.margins(spec, decoded), atol=2e-3)
    assert "scope" not in KIND.pack(KIND.decode(TaskSpec(spec.name, spec.kind, LABELS, ""), values))


@pytest.mark.parametrize("setting", [{"least_probability": 0.5}, {"most_energy": -1.0}])
def test_a_decision_turns_only_where_its_margin_is_small(setting, task: Spec) -> None:
    # A logit that moves by d moves an energy by at most d, and a probability by less.
    spec, most, random = task(**setting), 1e-2, np.random.default_rng(4)
    values = random.normal(0, 1.5, (40000, 3))
    moved = values + random.uniform(-most, most, values.shape)
    one, other = KIND.decode(spec, values), KIND.decode(spec, moved)
    turned = np.asarray(one.labels) != np.asarray(other.labels)
    assert turned.sum() > 10
    assert (KIND.margins(spec, one)[turned] <= 2.1 * most).all()


def test_margins_are_those_of_the_reason_that_holds(task: Spec) -> None:
    chances = np.array([[0.1, 0.5, 0.4], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1], [0.25, 0.72, 0.03]])
    spec = task(least_probability=0.7)
    decoded = KIND.decode(spec, np.log(chances).astype(np.float32))
    assert labels(decoded) == [0, 1, 0, 1]
    # Below; above, and nearer than the next label (0.7 off); the larger of 0.3 and below; above.
    scope = np.array([0.5, 0.8, 0.3, 0.72])
    apart = np.abs(np.log(scope / (1 - scope)) - np.log(0.7 / 0.3)) / 4
    assert KIND.margins(spec, decoded) == pytest.approx(apart, abs=1e-6)
    assert (apart >= np.abs(scope - 0.7)).all()  # a probability moves by no more than its log-odds


@pytest.mark.parametrize(("chance", "limit"), [(0.99999, 0.9999), (0.9999, 0.99999)])
def test_sure_decisions_beside_a_threshold_near_one_are_no_ties(chance, limit, task: Spec) -> None:
    chances = np.array([[(1 - chance) / 2, chance, (1 - chance) / 2]])
    decoded = KIND.decode(task(least_probability=limit), np.log(chances))
    assert labels(decoded) == [int(chance > limit)]
    assert KIND.margins(task(least_probability=limit), decoded)[0] > 0.5


def test_prototypes_are_asked_for_until_a_net_has_them(spec: Spec) -> None:
    before = spec("classification", LABELS, **unfitted(0, "distance", 0.9, 2.0, 16))
    assert (prototypes_asked(before), prototypes_of(before)) == (16, 0)
    assert rejection_of(before) == Rejection(0, "probability", 0.0)  # how epochs are judged
    assert KIND.outputs(before) == KIND.outputs(spec("classification", LABELS))
    plain = without_prototypes(before)
    assert plain.decode == unfitted(0, "probability", 0.9, 2.0)
    assert without_prototypes(plain) is plain
    after = by_prototypes(before, 7)
    assert (prototypes_asked(after), prototypes_of(after)) == (None, 7)
    assert after.decode == {
        "reject": 0,
        "in_scope_recall": 0.9,
        "least_cosine": -2.0,
        "prototypes": 7,
    }
    assert with_limit(after, 0.5)["least_cosine"] == 0.5
    assert [one.name for one in KIND.outputs(after)] == ["", "scope"]


NEAR = Columns(
    {
        "": np.log(
            np.array([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05]])
        ),
        "scope": np.array([[0.5], [0.7], [0.9], [0.99]], np.float32),
    }
)


def test_a_row_far_from_every_prototype_is_rejected(task: Spec) -> None:
    limit = float(np.float32(0.7))  # what reaches the threshold is kept
    spec = task(least_cosine=limit, prototypes=3)
    decoded = KIND.decode(spec, NEAR)
    assert labels(decoded) == [0, 1, 1, 0]
    assert np.asarray(decoded["scope"]) == pytest.approx([0.5, 0.7, 0.9, 0.99])
    first = KIND.answers(spec, decoded)[0]
    assert first == [{"label": "oos", "score": pytest.approx(0.1)}]
    found = KIND.unpack(spec, KIND.pack(decoded))
    assert labels(found) == labels(decoded)
    # As far as a cosine is from the threshold, or the next label behind.
    wanted = [0.2, 0.0, 0.2, 0.85]
    assert KIND.margins(spec, decoded) == pytest.approx(wanted, abs=1e-6)


def test_the_threshold_of_a_cosine_is_fitted_as_any_is(task: Spec) -> None:
    truth = Columns({"labels": np.array([0, 0, 1, 0])})
    spec = KIND.fitted(task(least_cosine=-2.0, prototypes=3), truth, NEAR, lambda _: 0.0)
    assert spec.decode["least_cosine"] == pytest.approx(0.8)
    spec = task(least_cosine=-2.0, prototypes=3, in_scope_recall=1.0)
    assert KIND.fitted(spec, truth, NEAR, lambda _: 0.0).decode["least_cosine"] == pytest.approx(
        0.8
    )


def test_cosines_that_are_no_numbers_are_far_from_nothing(task: Spec) -> None:
    values = {"": np.zeros((3, 3)), "scope": np.array([[np.nan], [np.inf], [0.4]])}
    values[""][2] = np.nan
    decoded = KIND.decode(task(least_cosine=0.3, prototypes=3), Columns(values))
    assert np.asarray(decoded["scope"]).tolist() == [0, 0, 0]
    assert labels(decoded)[2] == -1


@pytest.mark.parametrize("limit", [0.0, 0.2, 0.999, 1.0])
def test_decisions_of_another_threshold_are_no_ties(limit: float, task: Spec) -> None:
    chances = np.array([[0.1, 0.7, 0.2], [0.2, 0.4, 0.4 - 1e-9]])
    decoded = KIND.decode(task(least_probability=0.6), np.log(chances))
    assert labels(decoded) == [1, 0]
    turned = np.array([limit > 0.7, limit <= 0.4])
    assert (KIND.margins(task(least_probability=limit), decoded)[turned] > 0.1).all()
