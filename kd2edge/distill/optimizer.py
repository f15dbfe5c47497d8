"""AdamW with decay on matrices alone, and learning rates as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from kd2edge.errors import UsageError

Named = Iterable[tuple[str, nn.Parameter]]


def adamw(parameters: Named, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); vectors (biases, norms, variances) do not decay."""
    trained = [parameter for _, parameter in parameters if parameter.requires_grad]
    groups = [
        {"params": [one for one in trained if one.dim() >= 2], "weight_decay": weight_decay},
        {"params": [one for one in trained if one.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=lr, fused=True)


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
    """Let the next step use this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = lr
