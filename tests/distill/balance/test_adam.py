from __future__ import annotations

import torch

from kd2edge.distill.balance.adam import Adam


def test_steps_are_those_of_torch() -> None:
    ours, theirs = torch.tensor([1.0, -2.0]), torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    adam, optimizer = Adam(2, 0.1), torch.optim.Adam([theirs], lr=0.1)
    for at in range(5):
        gradient = torch.tensor([0.3 * at - 0.5, 10.0])
        ours += adam.step(gradient, torch.arange(2))
        theirs.grad = gradient
        optimizer.step()
    torch.testing.assert_close(ours, theirs.detach())


def test_an_absent_number_keeps_its_state() -> None:
    adam, alone = Adam(2, 0.1), Adam(1, 0.1)
    both, second = torch.tensor([0, 1]), torch.tensor([1])
    for at in (both, second, second, both):
        moved = adam.step(torch.full((len(at),), 0.7 + len(at)), at)
    for _ in range(2):
        wanted = alone.step(torch.tensor([2.7]), torch.tensor([0]))
    torch.testing.assert_close(moved[:1], wanted)
    assert adam.steps.tolist() == [2, 4]
