"""Where decisions are cut: stated, or fitted to labelled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.metrics import measure
from kd2edge.metrics.fitting import fitted_task, is_fitted
from kd2edge.tasks import MISSING, TaskSpec, task_kind
from kd2edge.tasks.cut import CANDIDATES, CUTS, FITTED, cut_settings, cut_text, fitted_cut
from kd2edge.tasks.kinds import TASK_KINDS
from kd2edge.tasks.spec import Decoded, TaskName, Truth

LEVELS = ("1", "2", "3", "4", "5")


def spec(kind: str, labels: tuple[str, ...], metric: str = "accuracy", **decode: Any) -> TaskSpec:
    return TaskSpec(TaskName("task"), kind, labels, metric, decode=decode)


def test_every_cut_is_a_setting_of_some_kind() -> None:
    assert {kind.cut for kind in TASK_KINDS.values()} == {"", *CUTS}


@given(st.floats(0.0, 1.0))
def test_of_equally_good_cuts_that_next_to_the_middle_is_found(edge: float) -> None:
    found = fitted_cut(lambda cut: Decoded(np.array([cut]), np.zeros(1)), lambda _: edge)
    assert found == 0.5
    near = fitted_cut(
        lambda cut: Decoded(np.array([cut]), np.zeros(1)),
        lambda decoded: float(np.asarray(decoded.labels)[0] >= edge),
    )
    assert (
        near == 0.5
        if edge <= 0.5
        else near == min((c for c in CANDIDATES if c >= edge), default=0.5)
    )


def test_what_cannot_be_measured_is_never_the_best() -> None:
    found = fitted_cut(
        lambda cut: Decoded(np.array([cut]), np.zeros(1)),
        lambda decoded: 1.0 if np.asarray(decoded.labels)[0] == 0.3 else float("nan"),
    )
    assert found == 0.3


def test_a_rare_yes_is_found_by_a_small_score() -> None:
    task = spec("binary", ("no", "yes"), metric="binary_f1", **cut_settings("threshold", None))
    truth = Truth(np.array([0] * 90 + [1] * 10 + [MISSING] * 5))
    logits = np.full((105, 1), -9.0)
    logits[85:100] = -5.5  # a score of 0.004; five of them are no
    fitted = fitted_task(task, truth, logits)
    assert fitted.decode == {"threshold": 0.002, FITTED: 1}
    decoded = task_kind("binary").decode(fitted, logits)
    assert measure(fitted, truth, decoded, "binary_f1") == pytest.approx(2 * 10 / (15 + 10))
    # Whatever it was before: another model's is none of its own.
    assert fitted_task(fitted, truth, logits) == fitted


def test_several_labels_share_a_threshold() -> None:
    task = spec("multi_label", ("a", "b"), metric="micro_f1", **cut_settings("threshold", None))
    logits = np.array([[-1.0, -3.0], [-3.0, -1.0], [-3.0, -3.0]])
    truth = Truth(np.array([[1, 0], [0, 1], [0, 0]]))
    fitted = fitted_task(task, truth, logits)
    assert 0.047 < fitted.decode["threshold"] < 0.27
    decoded = task_kind("multi_label").decode(fitted, logits)
    assert np.asarray(decoded.labels).tolist() == [[1, 0], [0, 1], [0, 0]]


@given(
    seed=st.integers(0, 200), metric=st.sampled_from(["quadratic_kappa", "level_mae", "macro_f1"])
)
def test_levels_are_decided_at_no_worse_a_quantile_than_the_median(seed: int, metric: str) -> None:
    random = np.random.default_rng(seed)
    truth = Truth(random.integers(0, 5, 40))
    logits = random.normal(0, 1, (40, 5)).astype(np.float32)
    logits[np.arange(40), np.asarray(truth.labels)] += 1.0
    task = spec("ordinal", LEVELS, metric=metric, **cut_settings("quantile", None))
    fitted = fitted_task(task, truth, logits)
    kind, worse = task_kind("ordinal"), 1 if metric == "level_mae" else -1

    def loss(one: TaskSpec) -> float:
        return worse * measure(one, truth, kind.decode(one, logits), metric)

    tried = [spec("ordinal", LEVELS, metric=metric, quantile=cut) for cut in CANDIDATES]
    assert loss(fitted) == pytest.approx(min(map(loss, tried)))
    assert loss(fitted) <= loss(task) + 1e-12


@given(quantile=st.sampled_from(CANDIDATES), seed=st.integers(0, 99))
def test_a_quantile_has_the_least_expected_cost_of_its_tilt(quantile: float, seed: int) -> None:
    """A level too low costs the quantile, one too high the rest of 1 (Koenker and Bassett 1978)."""
    task = spec("ordinal", LEVELS, quantile=quantile)
    logits = np.random.default_rng(seed).normal(0, 2, (9, 5)).astype(np.float32)
    decoded = task_kind("ordinal").decode(task, logits)
    levels = np.arange(5)
    short = levels - levels[:, None]  # [said, true]
    costs = (
        np.asarray(decoded.scores, np.float64)
        @ np.where(short > 0, quantile * short, (quantile - 1) * short).T
    )
    chosen = costs[np.arange(9), np.asarray(decoded.labels)]
    assert (chosen <= costs.min(axis=1) + 1e-6).all()


def test_margins_are_from_the_quantile() -> None:
    kind, logits = task_kind("ordinal"), np.log([[0.3, 0.3, 0.4]])
    for quantile, level, margin in ((0.29, 0, 0.01), (0.5, 1, 0.1), (0.62, 2, 0.02)):
        task = spec("ordinal", ("low", "middle", "high"), quantile=quantile)
        decoded = kind.decode(task, logits)
        assert np.asarray(decoded.labels).tolist() == [level]
        assert kind.margins(task, decoded) == pytest.approx([margin], abs=1e-6)


def test_nothing_is_fitted_to_rows_without_labels_nor_where_a_cut_is_stated() -> None:
    for kind, key, logits in (
        ("binary", "threshold", np.array([[-2.0], [3.0]])),
        ("ordinal", "quantile", np.zeros((2, 2))),
    ):
        task = spec(kind, ("1", "2"), **cut_settings(key, None))
        assert is_fitted(task)
        assert fitted_task(task, Truth(np.array([MISSING, MISSING])), logits) == task
        stated = spec(kind, ("1", "2"), **cut_settings(key, 0.3))
        assert not is_fitted(stated)
        assert fitted_task(stated, Truth(np.array([0, 1])), logits) is stated


@pytest.mark.parametrize(
    ("kind", "decode", "said"),
    [
        ("binary", {"threshold": 0.5}, ""),
        ("ordinal", {}, ""),
        ("binary", {"threshold": 0.3}, "decided at the threshold 0.3"),
        (
            "ordinal",
            {"quantile": 0.5, FITTED: 1},
            "decided at the quantile 0.5, which is best by accuracy on validation rows",
        ),
    ],
)
def test_people_are_told_of_what_does_not_go_without_saying(
    kind: str, decode: dict[str, Any], said: str
) -> None:
    assert cut_text(spec(kind, ("1", "2"), **decode)) == said
