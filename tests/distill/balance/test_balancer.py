"""What every balancer must do."""

from __future__ import annotations

import pytest
import torch

from distill.balance.terms import ONE, THREE, TWO, Trunk, balancer, of_tasks
from kd2edge.distill.balance import BALANCERS, LossKey
from kd2edge.distill.balance.balancer import SHARED

TASKS = [ONE, TWO, THREE]
NAMES = sorted(BALANCERS)


@pytest.mark.parametrize("name", NAMES)
def test_fills_the_gradient_of_everything_and_gives_its_loss(name: str) -> None:
    trunk, made = Trunk(), balancer(name, TASKS)
    total = made.backward(of_tasks(*trunk.losses()), trunk.shared(TASKS))
    assert not total.requires_grad
    for one in (trunk.weight, *trunk.heads):
        assert one.grad is not None
        assert one.grad.isfinite().all()
        assert one.grad.any()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_without_a_term_is_left_out(name: str) -> None:
    """Also where it was there before: what is remembered is each task's own."""
    trunk, made = Trunk(), balancer(name, TASKS)
    for absent in (None, TWO, ONE, THREE, None):
        trunk.zero_grad()
        found = of_tasks(*trunk.losses())
        found.pop(LossKey(absent or ONE, ""), None)
        if absent:
            found.pop(LossKey(absent, "task"))
        made.backward(found, trunk.shared(TASKS))
        made.after_step(of_tasks(*(loss.detach() for loss in found.values())) if not absent else {})
        made.end_epoch()
        for task, head in zip(TASKS, trunk.heads, strict=True):
            assert (head.grad is None) == (task == absent), (name, absent)
        assert trunk.weight.grad is not None
        assert trunk.weight.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_a_task_alone_in_a_batch_pulls_the_trunk_its_own_way(name: str) -> None:
    trunk, made = Trunk(), balancer(name, TASKS)
    loss = trunk.losses()[1]
    (wanted,) = torch.autograd.grad(loss, trunk.weight, retain_graph=True)
    made.backward({LossKey(TWO, "task"): loss}, trunk.shared(TASKS))
    assert trunk.weight.grad is not None
    cosine = torch.cosine_similarity(trunk.weight.grad.flatten(), wanted.flatten(), dim=0)
    assert cosine.item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_losses_on_features_are_added_with_their_own_weight(name: str) -> None:
    """The gradient with such a loss less the one without is that of the loss."""
    found: list[torch.Tensor] = []
    for more in (False, True):
        torch.manual_seed(0)  # of the methods that draw
        trunk, made = Trunk(), balancer(name, TASKS)
        several = of_tasks(*trunk.losses())
        if more:
            several[LossKey(SHARED, "feature0")] = 5 * (trunk.weight * trunk.feature.sum()).sum()
        made.backward(several, trunk.shared(TASKS))
        assert trunk.weight.grad is not None
        found.append(trunk.weight.grad)
    trunk.losses()
    alone = 5 * (trunk.weight * trunk.feature.sum()).sum()
    (wanted,) = torch.autograd.grad(alone, trunk.weight)
    torch.testing.assert_close(found[1] - found[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_feature_losses_alone(name: str) -> None:
    trunk, made = Trunk(), balancer(name, TASKS)
    trunk.losses()
    loss = trunk.weight.square().sum()
    total = made.backward({LossKey(SHARED, "feature0"): loss}, trunk.shared(TASKS))
    assert total.item() == pytest.approx(loss.item())
    torch.testing.assert_close(trunk.weight.grad, 2 * trunk.weight.detach())
    made.after_step({LossKey(SHARED, "feature0"): loss.detach()})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-12, 1e4, 1e12])
def test_losses_of_any_size_give_finite_gradients(name: str, scale: float) -> None:
    trunk, made = Trunk(), balancer(name, TASKS)
    for _ in range(3):
        trunk.zero_grad()
        losses = trunk.losses()
        found = of_tasks(scale * losses[0], *losses[1:])
        made.backward(found, trunk.shared(TASKS))
        made.after_step({key: loss.detach() / 2 for key, loss in found.items()})
        made.end_epoch()
    for one in (trunk.weight, *trunk.heads):
        assert one.grad is not None
        assert one.grad.isfinite().all()
    for buffer in made.buffers():
        assert not buffer.isinf().any()


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_that_is_not_finite_is_not_hidden(name: str) -> None:
    """The loop stops at it and says what to do."""
    trunk, made = Trunk(), balancer(name, TASKS)
    losses = trunk.losses()
    made.backward(of_tasks(losses[0] * torch.nan, *losses[1:]), trunk.shared(TASKS))
    assert trunk.weight.grad is not None
    assert not trunk.weight.grad.isfinite().all()
