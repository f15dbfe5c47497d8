"""Budgets: as stated in the metric's unit, or a share of what is large for the metric."""

from __future__ import annotations

from typing import Any

import pytest

from kd2edge.metrics import METRICS
from kd2edge.pipeline.reading.budgets import gate_of
from kd2edge.recipe.schema.ship import Gate
from kd2edge.tasks.spec import TaskName, TaskSpec

SHARE = Gate().max_drop_share
DECODE = {"mean": 90.0, "spread": 25.0, "least": 2.0, "most": 4000.0}


class Recipe:
    """The part that is read."""

    def __init__(self, **gate: Any) -> None:
        self.gate = Gate(**gate)


def spec(metric: str, kind: str, labels: int, **decode: float) -> TaskSpec:
    names = tuple(f"{level}" for level in range(labels))
    return TaskSpec(TaskName("t"), kind, names, metric, decode=decode)


def budget(task: TaskSpec, **gate: Any) -> float:
    return gate_of(Recipe(**gate), {"t": task}).max_drop["t"]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", [name for name, made in METRICS.items() if made.scale.is_share])
def test_a_share_may_fall_by_the_stated_share(name: str) -> None:
    task = spec(name, METRICS[name].kinds[0], 5, **DECODE)
    assert budget(task) == SHARE
    assert budget(task, max_drop_share=0.02) == 0.02


def test_an_error_in_levels_may_rise_by_a_share_of_the_way_between_the_ends() -> None:
    assert budget(spec("level_mae", "ordinal", 5)) == 4 * SHARE


@pytest.mark.parametrize("name", ["mae", "rmse"])
def test_an_error_of_values_may_rise_by_a_share_of_two_deviations(name: str) -> None:
    task = spec(name, "regression", 0, **DECODE)
    assert budget(task) == pytest.approx(50 * SHARE)
    # The same in another unit is as large, and bounds that lie far off change nothing.
    cents = spec(name, "regression", 0, low=0, high=1e9, **{k: 100 * v for k, v in DECODE.items()})
    assert budget(cents) == pytest.approx(100 * budget(task))


@pytest.mark.parametrize(
    "name", [name for name, made in METRICS.items() if not made.scale.is_share]
)
def test_what_is_large_lies_within_the_limits(name: str) -> None:
    task = spec(name, METRICS[name].kinds[0], 5, **DECODE)
    low, high = METRICS[name].limits(task)
    assert 0 < METRICS[name].large(task) <= high - low


def test_a_stated_budget_stays_in_the_unit_of_the_metric() -> None:
    task = spec("mae", "regression", 0, **DECODE)
    assert budget(task, max_drop=2.5) == 2.5
    assert budget(task, max_drop={"t": 0.0}) == 0.0
