from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import DISTILL, IMAGES, TRAIN, image_rows, step_alone
from kd2edge.distill import Time
from kd2edge.distill.balance import Balancer, LossKey, Shared
from kd2edge.distill.objective import Objective
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.step import Stepper
from kd2edge.nets import Net


@final
class Looking(Balancer):
    """The plain sum; keeps what it is told."""

    looks_again = True

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Mapping[LossKey, Tensor]] = []

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        del shared
        self.told.append({key: term.detach() for key, term in terms.items()})
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        return total.detach()

    def after_step(self, terms: Mapping[LossKey, Tensor]) -> None:
        self.told.append(terms)


def stepped(tmp_path: Path, lr: float, balancer: Balancer | None) -> tuple[Net, Tensor]:
    """A net after two steps, and a number drawn then."""
    split = IMAGES.split(tmp_path, image_rows(16, 0))
    net = IMAGES.net().train()
    objective = Objective(IMAGES.tasks, replace(DISTILL, alpha=0.0), None, 0.0)
    if balancer is not None:
        objective.balancer = balancer
    stepper = Stepper(net, objective, TRAIN, torch.device("cpu"), "fp32")
    with own_randomness(4):
        for at in (0, 8):
            step_alone(stepper, split.batch(np.arange(at, at + 8)), Time(0, 2, 0), lr)
        return net, torch.rand(1)


def test_a_second_look_sees_the_same_batch_through_the_same_dropout(tmp_path: Path) -> None:
    still, moving = Looking(), Looking()
    stepped(tmp_path, 0.0, still)
    stepped(tmp_path, 0.1, moving)
    for before, after in zip(still.told[::2], still.told[1::2], strict=True):
        assert before == after
    before, after = moving.told[:2]
    assert all(not after[key].requires_grad for key in after)
    assert sum(after.values()) < sum(before.values())


@pytest.mark.parametrize("lr", [0.0, 0.1])
def test_a_second_look_leaves_no_trace(tmp_path: Path, lr: float) -> None:
    """Neither in batch norms nor in the generators."""
    (net, drawn), (plain, expected) = (
        stepped(tmp_path, lr, Looking()),
        stepped(tmp_path, lr, None),
    )
    assert torch.equal(drawn, expected)
    wanted = plain.state_dict()
    assert any("running_mean" in name for name in wanted)
    assert all(torch.equal(one, wanted[name]) for name, one in net.state_dict().items())
