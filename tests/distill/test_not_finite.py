from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from kd2edge.distill.balance import LossKey
from kd2edge.distill.explosion import Growth
from kd2edge.distill.meter import Meter
from kd2edge.distill.not_finite import broken_gradient, broken_loss, broken_weight
from kd2edge.tasks.spec import TaskName

_A, _B = LossKey(TaskName("a"), "task"), LossKey(TaskName(""), "feature0")
BAD = (math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("value", BAD)
def test_a_loss_is_named_by_task_and_kind(value: float) -> None:
    found = broken_loss({_A: torch.tensor(1e38), _B: torch.tensor(value)})
    assert str(found) == f"loss feature0 of the features is {value}"
    assert broken_loss({_A: torch.tensor(-1e38), _B: torch.tensor(0.0)}) is None


@pytest.mark.parametrize("value", BAD)
def test_parameters_are_named_the_first_one_alone(value: float) -> None:
    named = [(name, nn.Parameter(torch.ones(3))) for name in "xyz"]
    assert broken_weight(named) is None
    assert broken_gradient(named) is None  # no parameter has one
    for _, one in named[1:]:
        one.grad = torch.tensor([0.0, value, math.nan])
    assert str(broken_gradient(named)).endswith(f"the gradient of y is {value}")
    assert broken_weight(named) is None
    named[2][1].data[1] = value
    assert str(broken_weight(named)).endswith(f"z becomes {value}")
    assert broken_weight([]) is None


def test_a_meter_says_how_long_ago_a_loss_broke() -> None:
    meter = Meter(Growth(None))
    assert meter.broken() is None
    for value in (1.0, 2.0):
        meter.add({_A: torch.tensor(value)})
    assert meter.means() == {"a": {"task": 1.5}}
    for value in (3.0, math.inf, -math.inf, 1.0):
        meter.add({_A: torch.tensor(value)})
    found = meter.broken()
    assert found is not None
    assert (found.key, found.value, found.ago) == (_A, math.inf, 2)
    meter.add({_B: torch.tensor(math.nan)})
    again = meter.broken()
    assert again is not None
    assert (again.key, again.ago) == (_A, 3)
