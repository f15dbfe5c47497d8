from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kd2edge.distill.balance import BALANCERS, Balancer, LossKey, Shared
from kd2edge.distill.balance.balancer import SHARED
from kd2edge.distill.balance.static import Static
from kd2edge.distill.balance.uncertainty import Uncertainty
from kd2edge.tasks.spec import TaskName

ONE, TWO = TaskName("one"), TaskName("two")
NOTHING = Shared(list, {})


def terms(weight: torch.Tensor) -> dict[LossKey, torch.Tensor]:
    return {
        LossKey(ONE, "task"): weight * 2,
        LossKey(ONE, "kd"): weight * 3,
        LossKey(TWO, "task"): weight * 7,
        LossKey(SHARED, "feature0"): weight * 11,
    }


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


def test_static_learns_nothing() -> None:
    assert not list(Static([ONE]).parameters())


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
