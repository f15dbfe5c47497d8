"""AdamW with decay on matrices alone, and learning rates as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import nn

from kd2edge.errors import UsageError

Named = Iterable[tuple[str, nn.Parameter]]
#: What a group of parameters keeps its factor under.
_FACTOR = "factor"


def adamw(
    parameters: Named, lr: float, weight_decay: float, factors: Mapping[str, float]
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); vectors (biases, norms, variances) do not decay.

    Args:
        parameters: by name; those that need no gradient stay out.
        lr: the learning rate of all of them.
        weight_decay: of matrices.
        factors: name -> what its rate, and so its decay, is multiplied with; 1 of all others.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, one in parameters:
        if one.requires_grad:
            groups.setdefault((factors.get(name, 1.0), one.dim() < 2), []).append(one)
    return torch.optim.AdamW(
        [
            {
                "params": groups[factor, flat],
                "lr": lr * factor,
                "weight_decay": 0.0 if flat else weight_decay,
                _FACTOR: factor,
            }
            for factor, flat in sorted(groups)
        ],
        fused=True,
    )


def rate(step: int, steps: int, warmup: float, schedule: str) -> float:
    """The learning rate's factor at a step (from 0): a function, so that resuming needs no state.

    Args:
        step: steps taken so far.
        steps: of the whole training.
        warmup: share of the steps, in [0, 1], over which the rate rises.
        schedule: ``constant``, ``linear`` or ``cosine``.

    Raises:
        UsageError: an unknown schedule.
    """
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    share = (step - rising) / max(1, steps - rising)
    if schedule == "linear":
        return 1 - share
    if schedule == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    if schedule == "constant":
        return 1.0
    raise UsageError(f"schedule {schedule!r} is not known; choose linear, cosine or constant")


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Let the next step use this learning rate, each group its multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group[_FACTOR]
