from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from distill.balance.terms import NOTHING, ONE, TWO, balancer, of_tasks, terms
from kd2edge.distill.balance import LossKey
from kd2edge.distill.balance.dwa import Dwa

#: Losses of two tasks in the batches of three epochs.
EPOCHS = ([(4.0, 1.0), (2.0, 3.0)], [(1.0, 2.0), (1.0, 1.0)], [(0.5, 0.2)])


def dwa() -> Dwa:
    made = balancer("dwa", [ONE, TWO])
    assert isinstance(made, Dwa)
    return made


def gradient(made: Dwa, one: float, two: float) -> list[float]:
    weights = nn.Parameter(torch.ones(2))
    made.backward(of_tasks(weights[0] * one, weights[1] * two), NOTHING)
    assert weights.grad is not None
    return (weights.grad / torch.tensor([one, two])).tolist()


def test_weights_are_of_how_losses_fell() -> None:
    """Liu et al. 2019, equation 7, with T = 2."""
    made = dwa()
    for epoch in EPOCHS:
        for one, two in epoch:
            found = gradient(made, one, two)
        made.end_epoch()
    rates = np.array([(1 + 1) / (4 + 2), (2 + 1) / (1 + 3)])
    wanted = 2 * np.exp(rates / 2) / np.exp(rates / 2).sum()
    assert found == pytest.approx(wanted.tolist(), rel=1e-6)


def test_is_what_the_library_says_where_every_task_is_in_every_batch() -> None:
    from torchjd.scalarization import DWA

    made, library = dwa(), DWA(temperature=2.0)
    for epoch in (*EPOCHS, *EPOCHS):
        for pair in epoch:
            ours = made.backward(of_tasks(*nn.Parameter(torch.tensor(pair))), NOTHING)
            assert ours.item() == pytest.approx(library(torch.tensor(pair)).item(), rel=1e-6)
        made.end_epoch()
        library.step()


def test_weights_are_one_before_two_epochs_are_over() -> None:
    made = dwa()
    for epoch in EPOCHS[:2]:
        for one, two in epoch:
            assert gradient(made, one, two) == [1.0, 1.0]
        made.end_epoch()
    assert gradient(made, 1.0, 1.0) != [1.0, 1.0]


def test_means_are_of_the_batches_that_had_the_task() -> None:
    made = dwa()
    for losses in ((4.0, 8.0), (None, 6.0), (None, 4.0), (2.0, 3.5)):
        found = of_tasks(*nn.Parameter(torch.tensor([loss or 0.0 for loss in losses])))
        if losses[0] is None:
            found.pop(LossKey(ONE, "task"))
        made.backward(found, NOTHING)
        made.end_epoch()
    assert made.means.tolist() == [[4.0, 4.0], [2.0, 3.5]]


def test_a_loss_that_was_zero_has_no_pace() -> None:
    made = dwa()
    for one in (0.0, 0.0, 1.0):
        made.backward(of_tasks(*nn.Parameter(torch.tensor([one, 1.0]))), NOTHING)
        made.end_epoch()
    assert made.weights([0, 1]).tolist() == [1.0, 1.0]


def test_at_the_start_it_is_the_plain_sum() -> None:
    weight = nn.Parameter(torch.tensor(1.0))
    assert dwa().backward(terms(weight), NOTHING).item() == 23.0
    assert weight.grad is not None
    assert weight.grad.item() == 23.0
