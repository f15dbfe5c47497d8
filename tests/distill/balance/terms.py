"""Losses of two tasks and of a feature that a balancer combines."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, get_args

import pytest
import torch
from torch import nn

from kd2edge.distill.balance import BALANCERS, Balancer, LossKey, Shared
from kd2edge.distill.balance.balancer import SHARED
from kd2edge.distill.balance.weighting import WEIGHTINGS
from kd2edge.recipe.schema import balance as methods
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.tasks.spec import TaskName

ONE, TWO, THREE = TaskName("one"), TaskName("two"), TaskName("three")
NOTHING = Shared(list, {}, list)


def terms(weight: torch.Tensor) -> dict[LossKey, torch.Tensor]:
    return {
        LossKey(ONE, "task"): weight * 2,
        LossKey(ONE, "kd"): weight * 3,
        LossKey(TWO, "task"): weight * 7,
        LossKey(SHARED, "feature0"): weight * 11,
    }


def of_tasks(*losses: torch.Tensor) -> dict[LossKey, torch.Tensor]:
    """Losses of the tasks one, two, three ..."""
    return {
        LossKey(task, "task"): loss for task, loss in zip((ONE, TWO, THREE), losses, strict=False)
    }


def options(name: str) -> dict[str, Any]:
    """The defaults that the recipe's schema has for a balancer."""
    parts = {kind_of(part, "kind"): part for part in members(get_args(methods.Balance)[0])}
    return parts[name]().model_dump(exclude={"kind", "weights"})


def balancer(name: str, tasks: list[TaskName], **stated: Any) -> Balancer:
    """A balancer as recipes make it; the test is skipped where its solver is not installed."""
    require_solver(name)
    return BALANCERS[name](tasks, **{**options(name), **stated})


def require_solver(name: str) -> None:
    source = WEIGHTINGS.get(name)
    for module in source.needs if source else ():
        if find_spec(module) is None:
            pytest.skip(f"{name} needs {module}, of the extra balance")


class Trunk(nn.Module):
    """A linear trunk ``x @ weight`` under linear heads: what gradients are is plain to see."""

    def __init__(self, rows: int = 5, inputs: int = 4, width: int = 3, tasks: int = 3) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(*shape, generator=generator)

        self.x = drawn(rows, inputs)
        self.weight = nn.Parameter(drawn(inputs, width))
        self.heads = nn.ParameterList([nn.Parameter(drawn(width)) for _ in range(tasks)])
        self.targets = drawn(tasks, rows)
        self.feature = torch.zeros(())

    def losses(self) -> list[torch.Tensor]:
        """Squared errors of the tasks."""
        self.feature = self.x @ self.weight  # [row, width]
        return [
            (self.feature @ head - target).square().mean()
            for head, target in zip(self.heads, self.targets, strict=True)
        ]

    def shared(self, tasks: list[TaskName]) -> Shared:
        paths = [f"heads.{task}.dropout:input" for task in tasks]
        features = dict.fromkeys(paths, self.feature)
        return Shared(lambda: [self.weight], features, lambda: list(self.heads))
