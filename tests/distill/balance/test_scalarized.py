from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.balance.terms import NOTHING, ONE, TWO, balancer, of_tasks


def gradient(name: str, *values: float) -> np.ndarray:
    losses = nn.Parameter(torch.tensor(values))
    balancer(name, [ONE, TWO]).backward(of_tasks(*losses), NOTHING)
    assert losses.grad is not None
    return losses.grad.numpy()


def test_the_geometric_mean_does_not_know_the_scale_of_a_loss() -> None:
    """Of sqrt(a * b) the slopes are sqrt(b / a) / 2 and sqrt(a / b) / 2."""
    np.testing.assert_allclose(gradient("geometric", 4.0, 9.0), [0.75, 1 / 3], rtol=1e-5)


def test_a_loss_of_zero_leaves_the_geometric_mean_finite() -> None:
    found = gradient("geometric", 0.0, 1.0)
    assert np.isfinite(found).all()
    assert found[0] == 0


def test_random_weights_are_positive_sum_to_one_and_come_from_the_generator() -> None:
    """Lin et al. 2021, algorithm 2: the softmax of normal numbers."""
    torch.manual_seed(5)
    first, second = gradient("random", 1.0, 1.0), gradient("random", 1.0, 1.0)
    torch.manual_seed(5)
    drawn = torch.randn(2).double().exp().numpy()
    np.testing.assert_allclose(first, drawn / drawn.sum(), rtol=1e-5)
    assert first.sum() == pytest.approx(1)
    assert (first != second).all()
