from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.balance.terms import ONE, THREE, TWO, Trunk, balancer, of_tasks
from kd2edge.distill.balance import LossKey
from kd2edge.distill.balance.gradnorm import GradNorm

TASKS = [ONE, TWO, THREE]


def gradnorm(**stated: float) -> GradNorm:
    made = balancer("gradnorm", TASKS, **stated)
    assert isinstance(made, GradNorm)
    return made


def step(made: GradNorm, trunk: Trunk, *scales: float) -> tuple[np.ndarray, np.ndarray]:
    """The losses, and the norms of their gradients at the feature."""
    losses = [scale * loss for scale, loss in zip(scales, trunk.losses(), strict=True)]
    norms = [torch.autograd.grad(one, trunk.feature, retain_graph=True)[0].norm() for one in losses]
    trunk.zero_grad()
    made.backward(of_tasks(*losses), trunk.shared(TASKS))
    return torch.stack(losses).detach().numpy(), torch.stack(norms).numpy()


def test_weights_move_against_the_gradient_of_the_paper() -> None:
    """Chen et al. 2018, equation 2 and algorithm 1; Adam's first step is lr * sign."""
    made, trunk = gradnorm(alpha=1.5, lr=0.1), Trunk()
    first, norms = step(made, trunk, 1.0, 5.0, 0.2)
    slope = np.sign(norms - norms.mean())  # all weights are 1, all losses are the first ones
    moved = 1 - 0.1 * slope
    wanted = moved * 3 / moved.sum()
    np.testing.assert_allclose(made.weights, wanted, rtol=1e-5)
    np.testing.assert_allclose(made.first, first, rtol=1e-5)


def test_the_pace_of_a_task_counts() -> None:
    made, trunk = gradnorm(alpha=2.0, lr=1e-3), Trunk()
    first, _ = step(made, trunk, 1.0, 1.0, 1.0)
    weights, mean = made.weights.numpy().copy(), made.adam.mean.numpy().copy()
    losses, norms = step(made, trunk, 1.0, 0.05, 1.0)
    left = losses / first
    pace = (left / left.mean()) ** 2.0
    slope = norms * np.sign(weights * norms - (weights * norms).mean() * pace)
    np.testing.assert_allclose(made.adam.mean, 0.9 * mean + 0.1 * slope, rtol=1e-4)


def test_norms_come_together() -> None:
    made, trunk = gradnorm(alpha=0.0, lr=0.02), Trunk()
    for _ in range(400):
        _, norms = step(made, trunk, 1.0, 5.0, 0.2)
    measured = made.weights.numpy() * norms
    assert measured.max() / measured.min() < 1.3
    assert norms.max() / norms.min() > 5
    assert made.weights.sum().item() == pytest.approx(3.0, rel=1e-5)


def test_everything_gets_the_gradient_of_the_weighted_sum() -> None:
    made, trunk = gradnorm(), Trunk()
    made.weights.copy_(torch.tensor([0.5, 2.0, 0.5]))
    losses = trunk.losses()
    total = 0.5 * losses[0] + 2.0 * losses[1] + 0.5 * losses[2]
    wanted = torch.autograd.grad(total, [trunk.weight, *trunk.heads], retain_graph=True)
    found = made.backward(of_tasks(*losses), trunk.shared(TASKS))
    assert found.item() == pytest.approx(total.item(), rel=1e-6)
    for one, gradient in zip((trunk.weight, *trunk.heads), wanted, strict=True):
        torch.testing.assert_close(one.grad, gradient)


def test_an_absent_task_keeps_its_weight_and_the_others_their_sum() -> None:
    made, trunk = gradnorm(), Trunk()
    made.weights.copy_(torch.tensor([0.5, 1.9, 0.6]))
    losses = of_tasks(*trunk.losses())
    losses.pop(LossKey(TWO, "task"))
    made.backward(losses, trunk.shared(TASKS))
    assert made.weights[1].item() == pytest.approx(1.9)
    assert made.weights.sum().item() == pytest.approx(3.0)
    assert made.first.isnan().tolist() == [False, True, False]
    assert not list(made.parameters())
