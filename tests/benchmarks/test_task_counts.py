"""What more tasks cost is measured on nets that have so many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import generate  # pyright: ignore[reportMissingImports]
import pytest
import task_counts
import torch
from timing import Times

from kd2edge.recipe import load_recipe
from products import write_text_project

ORIGIN: Any = {
    "command": "c", "commit": "abc", "versions": {},
    "machine": {"cpu": "CPU", "cores": 2, "os": "Linux", "python": "3.11"},
}  # fmt: skip


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_text_project(tmp_path)


@pytest.mark.parametrize("how", task_counts.BALANCES)
def test_a_recipe_gets_its_first_task_so_many_times(recipe: Path, how: str) -> None:
    found = load_recipe(recipe, overrides=task_counts.overrides(recipe, 3, how)).recipe
    assert list(found.tasks) == ["intent0", "intent1", "intent2"]
    assert {one.column for one in found.tasks.values()} == {"intent"}
    assert found.distill.balance.kind == how
    assert found.distill.features == ()


@pytest.mark.parametrize(
    ("cost", "growth"),
    [
        (lambda count: 5 + count, 1.0),
        (lambda count: 1 + 7 * count, 1.0),
        (lambda count: count**2, (20**2 - 14**2) / (8**2 - 2**2)),
        (lambda count: count**0.5, (20**0.5 - 14**0.5) / (8**0.5 - 2**0.5)),
    ],
)
def test_growth_is_1_where_cost_is_linear_whatever_the_trunk_takes(cost: Any, growth: float):
    times = [Times((cost(count),) * 9) for count in task_counts.COUNTS]
    found = task_counts.growth_of(task_counts.COUNTS, times)
    assert found["growth"] == pytest.approx(growth, abs=1e-4)
    low, high = found["growth_interval"]
    assert low <= growth + 1e-4
    assert high >= growth - 1e-4


def test_a_further_task_that_costs_nothing_is_no_division_by_zero():
    found = task_counts.growth_of((1, 2, 3, 4), [Times((1.0,) * 9)] * 4)
    assert found["growth"] == 1.0


def test_a_trunk_is_passed_once_and_a_balancer_of_all_parameters_is_seen_to_pass_it_again(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dear = {"kind": "mgda", "gradients": "parameters"}
    monkeypatch.setattr(task_counts, "BALANCES", {**task_counts.BALANCES, "dear": dear})
    passes = {
        how: task_counts.measured(recipe, (2, 3, 4, 5), 32, 2, how)["passes"]
        for how in task_counts.BALANCES
    }
    once = {"forward": 1, "backward": 1}
    assert passes["static"] == dict.fromkeys("2345", once)
    assert passes["mgda"] == dict.fromkeys("2345", once)
    assert passes["dear"]["5"]["backward"] > 1


def test_passes_count_what_a_step_does_to_the_trunk_alone():
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)

        def shared_parameters(self) -> list[Any]:
            return list(self.trunk.parameters())

    net, x = Two(), torch.ones(1, 2)

    def take() -> None:
        feature = net.trunk(net.trunk(x)) + net.trunk(x)
        for _ in range(4):
            net.head(feature.detach()).sum().backward()
        for _ in range(2):
            net.head(feature).sum().backward(retain_graph=True)

    assert task_counts.passes_of(net, take) == {"forward": 3, "backward": 2}  # pyright: ignore[reportArgumentType]
    net.trunk(x)
    assert not net.trunk._forward_pre_hooks


def test_memory_is_of_the_smallest_and_the_largest_number_of_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def peak(rows: int, overrides: list[str]) -> dict[str, int]:
        asked.append(overrides[0].count('"kind"'))
        return {"rows": rows, "peak_bytes": 100 + asked[-1]}

    monkeypatch.setattr(task_counts, "peak", peak)
    found = task_counts.peaks(7, (2, 3, 4, 20))
    assert asked == [2, 20]
    assert [one["tasks"] for one in found["runs"]] == [2, 20]
    assert found["ratio"] == round(120 / 102, 3)


def measured(**changes: Any) -> Any:
    one = {
        "name": "x", "balance": "static", "ratio": 2.0, "growth": 1.3,
        "growth_interval": [0.9, 1.8], "task_us": {"few": 100.0, "many": 130.0},
        "passes": {"2": {"forward": 1, "backward": 1}, "20": {"forward": 1, "backward": 1}},
        "times": {"2": {"median_us": 5000.0}, "20": {"median_us": 10000.0}},
    }  # fmt: skip
    memory = {
        "ratio": 1.25, "runs": [{"tasks": 2, "peak_bytes": 4e8}, {"tasks": 20, "peak_bytes": 5e8}],
    }  # fmt: skip
    limits = {"time": 10.0, "passes": 1, "memory": 1.2}
    found = {"limits": limits, "counts": [2, 20], "steps": [{**one, **changes}], "memory": memory}
    return {"task_counts": {**ORIGIN, "measured": found}}


@pytest.mark.parametrize(
    ("changes", "met"),
    [
        ({}, "yes"),
        ({"ratio": 10.5}, "**no**"),
        ({"growth_interval": [1.01, 1.8]}, "**no**"),
        ({"passes": {"20": {"forward": 1, "backward": 2}}}, "**no**"),
    ],
)
def test_the_page_asks_for_linear_time_and_one_pass(changes: dict[str, Any], met: str) -> None:
    text = generate.task_counts(measured(**changes))
    (line,) = [one for one in text.splitlines() if one.startswith("| x | static")]
    assert line.endswith(f"| {met} |")
    assert "2 to 20" in line
    assert "**1.25x** the memory (at most 1.2x); met: **no**" in text
