"""What each parameter's learning rate is multiplied with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import DISTILL, IMAGES, TOKENS, TRAIN, image_rows, step_alone
from kd2edge.distill import Time
from kd2edge.distill.freezing import freeze
from kd2edge.distill.objective import Objective
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.rates import rate_factors
from kd2edge.distill.step import Stepper
from kd2edge.errors import UsageError


def test_each_level_has_its_share_of_the_one_above_it() -> None:
    """Howard and Ruder 2018: the rate of layer l-1 is that of layer l divided by 2.6."""
    net = TOKENS.net(teacher=True)
    factors = rate_factors(net, 1 / 2.6, {})
    assert factors.keys() == {name for name, _ in net.named_parameters()}
    for part, distance in (
        ("heads.", 0),
        ("encoder.layer.1.", 1),
        ("encoder.layer.0.", 2),
        ("embeddings", 3),
    ):
        own = {one for name, one in factors.items() if part in name}
        assert own == {(1 / 2.6) ** distance}, part


def test_the_innermost_module_counts_times_the_decay() -> None:
    net = IMAGES.net()
    stated = {"stages.0": 3.0, "backbone": 2.0, "stages.0.1": 5.0, "heads.dark": 7.0}
    factors = rate_factors(net, 0.5, stated)
    assert factors["backbone.stages.0.0.weight"] == 3.0 * 0.25
    assert factors["backbone.stages.0.1.weight"] == 5.0 * 0.25
    assert factors["backbone.stages.1.0.weight"] == 2.0 * 0.5
    assert {one for name, one in factors.items() if name.startswith("heads.dark.")} == {7.0}
    assert {one for name, one in factors.items() if name.startswith("heads.shape.")} == {1.0}


def test_without_decay_and_rates_all_factors_are_one() -> None:
    assert set(rate_factors(IMAGES.net(), 1.0, {}).values()) == {1.0}


def test_a_step_moves_each_module_by_its_factor(tmp_path: Path) -> None:
    """AdamW's first step has the size of the learning rate, whatever the gradient's is."""
    split = IMAGES.split(tmp_path, image_rows(16, 0))
    moved: list[dict[str, Tensor]] = []
    for stated in ({}, {"layer_decay": 0.5, "rates": {"heads.dark": 0.25}}):
        net = IMAGES.net().eval()
        before = {name: one.detach().clone() for name, one in net.named_parameters()}
        settings = replace(TRAIN, weight_decay=0.0, clip_norm=None, **stated)
        objective = Objective(IMAGES.tasks, replace(DISTILL, alpha=0.0), None, 0.0)
        stepper = Stepper(net, objective, settings, torch.device("cpu"), "fp32")
        with own_randomness(0):
            step_alone(stepper, split.batch(np.arange(16)), Time(0, 1, 0), 0.1)
        moved.append({name: one.detach() - before[name] for name, one in net.named_parameters()})
    plain, own = moved
    for part, factor in (
        ("heads.shape.", 1.0),
        ("heads.dark.", 0.25),
        ("backbone.stages.1.", 0.5),
        ("backbone.stages.0.", 0.25),
    ):
        names = [name for name in plain if name.startswith(part)]
        assert names
        for name in names:
            torch.testing.assert_close(own[name], factor * plain[name], rtol=1e-4, atol=1e-6)
            assert plain[name].abs().max() > 0.05


def test_unknown_and_frozen_modules_are_refused() -> None:
    net = IMAGES.net()
    with pytest.raises(UsageError, match=r"no module 'stages.9'; the nearest are stages"):
        rate_factors(net, 1.0, {"stages.9": 2.0})
    freeze(net, ["stages"])
    with pytest.raises(UsageError, match=r"rates: nothing in stages.1 is trained; leave it out"):
        rate_factors(net, 1.0, {"stages.1": 2.0})
    assert rate_factors(net, 1.0, {"heads": 2.0})["backbone.stages.0.0.weight"] == 1.0
