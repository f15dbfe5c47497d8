"""What every balancer must do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from distill.balance.terms import NOTHING, ONE, TWO, terms
from kd2edge.distill.balance import BALANCERS, Balancer


@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_every_balancer_fills_the_gradient_and_gives_its_loss(name: str) -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    balancer = BALANCERS[name]([ONE, TWO])
    total = balancer.backward(terms(weight), NOTHING)
    assert isinstance(balancer, Balancer)
    # At the start both are the plain sum.
    assert total.item() == 23.0
    assert not total.requires_grad
    assert weight.grad is not None
    assert weight.grad.item() == 23.0


@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_a_task_without_a_term_is_left_out(name: str) -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    balancer = BALANCERS[name]([ONE, TWO])
    only = {key: term for key, term in terms(weight).items() if key.task == ONE}
    assert balancer.backward(only, NOTHING).item() == 5.0
