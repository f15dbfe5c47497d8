from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kd2edge.distill.optimizer import adamw, rate, set_rate
from kd2edge.errors import UsageError


def test_vectors_do_not_decay() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
    optimizer = adamw(net.named_parameters(), 0.1, 0.5, {}, ())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = [parameter.detach().clone() for parameter in net.parameters()]
    optimizer.step()
    for old, new in zip(before, net.parameters(), strict=True):
        expected = old * (1 - 0.1 * 0.5) if old.dim() == 2 else old
        torch.testing.assert_close(new.detach(), expected)


def test_frozen_parameters_stay_out() -> None:
    net = nn.Linear(2, 3)
    net.bias.requires_grad_(False)
    groups = adamw(net.named_parameters(), 0.1, 0.5, {}, ()).param_groups
    assert [len(group["params"]) for group in groups] == [1]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_rate_rises_to_one_and_falls(schedule: str) -> None:
    factors = [rate(step, 100, 0.1, schedule) for step in range(100)]
    assert factors[0] > 0
    assert factors[10] == 1.0
    assert factors[:10] == sorted(factors[:10])
    assert factors[10:] == sorted(factors[10:], reverse=True)
    if schedule != "constant":
        assert 0 < factors[-1] < 0.02


def test_rate_by_hand() -> None:
    assert rate(55, 100, 0.1, "linear") == pytest.approx(0.5)
    assert rate(55, 100, 0.1, "cosine") == pytest.approx((1 + math.cos(math.pi / 2)) / 2)
    assert rate(0, 1, 0.0, "linear") == 1.0


def test_unknown_schedules_are_named() -> None:
    with pytest.raises(UsageError, match="poly"):
        rate(5, 10, 0.0, "poly")


def test_set_rate_reaches_every_group() -> None:
    optimizer = adamw(nn.Linear(2, 2).named_parameters(), 0.1, 0.0, {}, ())
    set_rate(optimizer, 0.25, {})
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}


def test_each_parameter_moves_by_its_own_multiple_of_the_rate() -> None:
    """AdamW's first step is the rate times the gradient's sign, and its decay the rate's too."""
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    factors = {"0.weight": 0.25, "1.bias": 2.0}
    optimizer = adamw(net.named_parameters(), 0.1, 0.5, factors, ())
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    set_rate(optimizer, 0.04, {})
    optimizer.step()
    for name, one in net.named_parameters():
        lr = 0.04 * factors.get(name, 1.0)
        kept = 1 - lr * 0.5 if one.dim() == 2 else 1.0
        torch.testing.assert_close(one.detach(), before[name] * kept - lr / (1 + 1e-8))


def test_a_paced_parameter_moves_by_its_own_multiple_of_the_rate_now() -> None:
    net = nn.Linear(2, 3)
    optimizer = adamw(net.named_parameters(), 0.1, 0.0, {"bias": 0.5}, ["bias"])
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    for lr, pace in ((0.04, 0.0), (0.02, 3.0)):
        for parameter in net.parameters():
            parameter.grad = torch.ones_like(parameter)
        set_rate(optimizer, lr, {"bias": pace})
        optimizer.step()
    moved = {name: before[name] - one.detach() for name, one in net.named_parameters()}
    torch.testing.assert_close(moved["weight"], torch.full((3, 2), 0.06))
    torch.testing.assert_close(moved["bias"], torch.full((3,), 0.5 * 0.06))


def test_factors_of_one_are_no_groups_of_their_own() -> None:
    net = nn.Linear(2, 3)
    groups = adamw(net.named_parameters(), 0.1, 0.5, {"weight": 1.0}, ()).param_groups
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
