from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from distill.balance.terms import NOTHING, ONE, TWO, terms
from kd2edge.distill.balance import LossKey
from kd2edge.distill.balance.uncertainty import Uncertainty


def test_uncertainty_weights_a_task_as_a_whole() -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    balancer = Uncertainty([ONE, TWO])
    with torch.no_grad():
        balancer.log_variance.copy_(torch.tensor([math.log(2), math.log(4)]))
    total = balancer.backward(terms(weight), NOTHING)
    expected = 5 / 2 + math.log(2) / 2 + 7 / 4 + math.log(4) / 2 + 11
    assert total.item() == pytest.approx(expected, rel=1e-6)
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(5 / 2 + 7 / 4 + 11, rel=1e-6)
    gradient = balancer.log_variance.grad
    assert gradient is not None
    assert gradient.tolist() == pytest.approx([-5 / 2 + 0.5, -7 / 4 + 0.5])


def test_uncertainty_settles_at_twice_the_loss() -> None:
    balancer = Uncertainty([ONE])
    optimizer = torch.optim.Adam(balancer.parameters(), lr=0.05)
    for _ in range(300):
        balancer.backward({LossKey(ONE, "task"): torch.tensor(0.25)}, NOTHING)
        optimizer.step()
        optimizer.zero_grad()
    assert balancer.log_variance.exp().item() == pytest.approx(0.5, rel=1e-2)
