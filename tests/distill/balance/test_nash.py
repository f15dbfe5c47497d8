from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.balance.terms import ONE, THREE, TWO, require_solver
from kd2edge.distill.balance.nash import NashMtl
from kd2edge.distill.balance.weighting import weighting_of

TASKS = [ONE, TWO, THREE]


def nash(clip_norm: float | None) -> NashMtl:
    require_solver("nash_mtl")
    made = weighting_of("nash_mtl", TASKS, {"clip_norm": clip_norm})
    assert isinstance(made, NashMtl)
    return made


def gramian(seed: int, count: int = 3) -> torch.Tensor:
    rows = torch.randn(count, 30, generator=torch.Generator().manual_seed(seed))
    return rows @ rows.T


def test_weights_are_one_over_what_each_task_gains() -> None:
    """Navon et al. 2022, claim 3.1: G a = 1 / a."""
    found = gramian(0)
    weights = nash(None)(found, TASKS).double().numpy()
    np.testing.assert_allclose(found.double().numpy() @ weights, 1 / weights, rtol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_the_weighted_gradient_is_no_longer_than_allowed(scale: float) -> None:
    found = scale * gramian(0)
    weights = nash(0.5)(found, TASKS)
    assert (weights @ found @ weights).sqrt().item() == pytest.approx(0.5, rel=1e-4)


def test_an_absent_task_keeps_its_solution() -> None:
    made = nash(1.0)
    made(gramian(0), TASKS)
    before = made.solution.clone()
    weights = made(gramian(1, 2), [ONE, THREE])
    assert weights.shape == (2,)
    assert made.solution[1] == before[1]
    assert (made.solution[[0, 2]] != before[[0, 2]]).all()


def test_goes_on_from_its_state_to_the_same_bits() -> None:
    whole, parts = nash(1.0), nash(1.0)
    for seed in range(3):
        whole(gramian(seed), TASKS)
        if seed < 2:
            parts(gramian(seed), TASKS)
    again = nash(1.0)
    again.load_state_dict(parts.state_dict())
    again(gramian(2), TASKS)
    assert torch.equal(again.solution, whole.solution)
    fresh = nash(1.0)
    fresh(gramian(2), TASKS)
    assert not torch.equal(fresh.solution, whole.solution)  # so it does remember
