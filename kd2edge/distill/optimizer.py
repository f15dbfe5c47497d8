"""AdamW with decay on matrices alone, and learning rates as a function of the step."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

import torch
from torch import nn

from kd2edge.errors import UsageError

Named = Iterable[tuple[str, nn.Parameter]]
#: What a group of parameters keeps its factor under.
_FACTOR = "factor"
#: And the name of the only parameter of one whose rate has a pace of its own; "" of all others.
_PACED = "paced"


def adamw(
    parameters: Named,
    lr: float,
    weight_decay: float,
    factors: Mapping[str, float],
    paced: Collection[str],
) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); vectors (biases, norms, variances) do not decay.

    Args:
        parameters: by name; those that need no gradient stay out.
        lr: the learning rate of all of them.
        weight_decay: of matrices.
        factors: name -> what its rate, and so its decay, is multiplied with; 1 of all others.
        paced: names of those whose rate :func:`set_rate` is told apart.
    """
    groups: dict[tuple[float, bool, str], list[nn.Parameter]] = {}
    for name, one in parameters:
        if one.requires_grad:
            alone = name if name in paced else ""
            groups.setdefault((factors.get(name, 1.0), one.dim() < 2, alone), []).append(one)
    return torch.optim.AdamW(
        [
            {
                "params": groups[factor, flat, alone],
                "lr": lr * factor,
                "weight_decay": 0.0 if flat else weight_decay,
                _FACTOR: factor,
                _PACED: alone,
            }
            for factor, flat, alone in sorted(groups)
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


def set_rate(optimizer: torch.optim.Optimizer, lr: float, paces: Mapping[str, float]) -> None:
    """Let the next step use this learning rate, each group its multiple of it.

    Args:
        optimizer: of :func:`adamw`.
        lr: the rate.
        paces: name of each parameter that is paced -> what its rate is multiplied with now.
    """
    for group in optimizer.param_groups:
        pace = paces[group[_PACED]] if group[_PACED] else 1.0
        group["lr"] = lr * group[_FACTOR] * pace
