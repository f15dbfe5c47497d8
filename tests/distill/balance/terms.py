"""Losses of two tasks and of a feature that a balancer combines."""

from __future__ import annotations

import torch

from kd2edge.distill.balance import LossKey, Shared
from kd2edge.distill.balance.balancer import SHARED
from kd2edge.tasks.spec import TaskName

ONE, TWO = TaskName("one"), TaskName("two")
NOTHING = Shared(list, {})


def terms(weight: torch.Tensor) -> dict[LossKey, torch.Tensor]:
    return {
        LossKey(ONE, "task"): weight * 2,
        LossKey(ONE, "kd"): weight * 3,
        LossKey(TWO, "task"): weight * 7,
        LossKey(SHARED, "feature0"): weight * 11,
    }
