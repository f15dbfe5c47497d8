from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.balance.terms import NOTHING, ONE, TWO, balancer, of_tasks
from kd2edge.distill.balance import LossKey
from kd2edge.distill.balance.famo import Famo

PAIRS = [((4.0, 1.0), (3.0, 0.9)), ((3.0, 0.9), (2.9, 0.4)), ((2.9, 0.4), (2.5, 0.41))]


def famo() -> Famo:
    made = balancer("famo", [ONE, TWO])
    assert isinstance(made, Famo)
    return made


def losses(pair: tuple[float, float]) -> dict[LossKey, torch.Tensor]:
    return of_tasks(*nn.Parameter(torch.tensor(pair)))


def test_the_step_weighs_each_task_by_its_share_over_its_loss() -> None:
    """Liu et al. 2023, algorithm 1: c * z / L, with c so that these sum to 1."""
    made = famo()
    made.logits.copy_(torch.tensor([0.3, -0.5]))
    values = np.array([4.0, 0.5])
    shares = np.exp([0.3, -0.5]) / np.exp([0.3, -0.5]).sum()
    wanted = shares / values / (shares / values).sum()
    parameter = nn.Parameter(torch.tensor(values, dtype=torch.float32))
    made.backward(of_tasks(*parameter), NOTHING)
    assert parameter.grad is not None
    assert parameter.grad.tolist() == pytest.approx(wanted.tolist(), rel=1e-5)


def test_is_what_the_library_says_where_every_task_is_in_every_batch() -> None:
    from torchjd.scalarization import FAMO

    made, library = famo(), FAMO(2)
    for before, after in PAIRS * 3:
        wanted = library(torch.tensor(before)).item()
        assert made.backward(losses(before), NOTHING).item() == pytest.approx(wanted, rel=1e-5)
        made.after_step(losses(after))
        library.update(torch.tensor(after))
    assert made.logits.abs().min() > 1e-3


def test_what_falls_more_slowly_weighs_more() -> None:
    made = famo()
    for _ in range(5):
        made.backward(losses((1.0, 1.0)), NOTHING)
        made.after_step(losses((0.5, 0.99)))
    assert made.logits[1] > made.logits[0]


def test_an_absent_task_keeps_its_weight() -> None:
    made = famo()
    made.backward(losses((1.0, 1.0)), NOTHING)
    made.after_step(losses((0.5, 0.99)))
    before = made.logits.clone()
    alone = {LossKey(TWO, "task"): nn.Parameter(torch.tensor(1.0)) * 1}
    made.backward(alone, NOTHING)
    made.after_step(alone)
    assert made.logits[0] == before[0]
    assert made.logits[1] != before[1]  # its decay alone
    assert not list(made.parameters())  # it learns by itself, not by the training's optimiser


def test_nothing_is_learned_from_a_step_that_it_did_not_see() -> None:
    made = famo()
    made.after_step(losses((0.5, 0.99)))
    assert made.logits.tolist() == [0.0, 0.0]
