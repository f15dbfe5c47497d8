from __future__ import annotations

import pytest
import torch

from distill.balance.terms import ONE, THREE, TWO, options, require_solver
from kd2edge.distill.balance.weighting import WEIGHTINGS, weighting_of

TASKS = [ONE, TWO, THREE]
OWN = ("gradients", "over")


@pytest.mark.parametrize("name", sorted(WEIGHTINGS))
@pytest.mark.parametrize("count", range(2, 4))
def test_weights_are_finite_and_one_a_row(name: str, count: int) -> None:
    require_solver(name)
    given = {key: value for key, value in options(name).items() if key not in OWN}
    weighting = weighting_of(name, TASKS, given)
    for seed in range(5):
        rows = torch.randn(count, 10, generator=torch.Generator().manual_seed(seed))
        for gradients in (rows, 1e-7 * rows, 1e7 * rows, rows[:1].repeat(count, 1)):
            weights = weighting(gradients @ gradients.T, TASKS[:count])
            assert weights.shape == (count,)
            assert weights.isfinite().all()


@pytest.mark.parametrize("scaling", ["min", "median", "rmse"])
def test_options_reach_the_library_under_its_own_names(scaling: str) -> None:
    """Senushkin et al. 2023: all singular values become the one that is named."""
    rows = torch.randn(3, 10, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.eigvalsh(rows @ rows.T)
    wanted = {"min": values.min(), "median": values.median(), "rmse": values.mean()}[scaling]
    weights = weighting_of("aligned_mtl", TASKS, {"scaling": scaling})(rows @ rows.T, TASKS)
    # The mean of three orthogonal gradients of one length.
    assert (weights @ rows).norm().item() == pytest.approx((wanted / 3).sqrt().item(), rel=1e-4)
