"""Steps under balancers, and which of them the limit is for."""

from __future__ import annotations

from pathlib import Path

import balance
import pytest
import torch

from kd2edge.distill.balance import BALANCERS
from kd2edge.distill.balance.weighting import WEIGHTINGS
from products import write_text_project


def test_every_balancer_is_measured_and_those_of_gradients_in_both_forms():
    names = set(balance.variants())
    assert names == {*BALANCERS, *(f"{name}, parameters" for name in WEIGHTINGS)}
    assert set(balance.variants(["mgda", "dwa"])) == {"static", "dwa", "mgda", "mgda, parameters"}


def test_the_limit_is_for_balancers_that_read_features_of_the_net():
    tasks = [balance.TaskName("a"), balance.TaskName("b")]
    for name, how in balance.variants().items():
        reads = BALANCERS[how.kind](tasks, **how.options).features
        assert balance.feature_level(name) == bool(reads), name


@pytest.mark.parametrize("compiler", [None, "eager"])
def test_a_step_of_four_tasks_under_some_balancers(tmp_path: Path, compiler: str | None):
    recipe = write_text_project(tmp_path)
    only = ["mgda", "uncertainty"]
    found = balance.steps_of(recipe, 32, 1, torch.device("cpu"), only, compiler)
    assert set(found["ratios"]) == {"mgda", "mgda, parameters", "uncertainty"}
    assert found["feature_level"] == ["mgda"]
    assert all(one > 0 for one in found["ratios"].values())


@pytest.mark.parametrize("form", ["features", "parameters"])
def test_our_call_gives_the_library_s_gradients(form: str):
    found = balance.calls_of("upgrad", 3, form, 1, torch.device("cpu"))
    assert found["difference"] < balance.SAME
    assert found["ratio"] > 0
