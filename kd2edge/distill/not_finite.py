"""What in a training step is no longer a finite number, and in which step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.distill.balance import LossKey
from kd2edge.distill.explosion import Exploded


@dataclass(frozen=True, slots=True)
class NotFinite:
    """A loss, the gradient of a parameter, or a parameter, that is NaN or infinite.

    Args:
        kind: which of the three.
        value: the first such value in it.
        task: of a loss; "" for one on features.
        loss: of a loss its kind: ``task``, ``kd``, ``feature0`` ...
        parameter: of a gradient or a weight the parameter's name.
        peer: of a loss the net beside the student that it is of; "" for the student.
    """

    kind: Literal["loss", "gradient", "weight"]
    value: float
    task: str = ""
    loss: str = ""
    parameter: str = ""
    peer: str = ""

    def __str__(self) -> str:
        if self.kind == "loss":
            whose = f"peer {self.peer}: " if self.peer else ""
            return f"{whose}loss {self.loss} of {self.task or 'the features'} is {self.value}"
        if self.kind == "gradient":
            return f"all losses are finite, but the gradient of {self.parameter} is {self.value}"
        return f"losses and gradients are finite, but {self.parameter} becomes {self.value}"

    def to_json(self) -> dict[str, str]:
        """JSON values; JSON has no number for NaN or infinity."""
        return {
            "kind": self.kind,
            "value": str(self.value),
            "task": self.task,
            "loss": self.loss,
            "parameter": self.parameter,
        } | ({"peer": self.peer} if self.peer else {})


class Lost(Exception):  # noqa: N818  (it never leaves the package: the loop looks for the cause)
    """Something was seen not to be finite, perhaps steps after it came to be so, or exploded.

    Args:
        what: was seen.
        step: the step (from 1) in which it was so; of what exploded, the first in which it was.
        epoch: of that step, from 1.
        positions: the rows of that step.
    """

    def __init__(
        self, what: NotFinite | Exploded, step: int, epoch: int, positions: npt.NDArray[np.int64]
    ) -> None:
        super().__init__(str(what))
        self.what = what
        self.step = step
        self.epoch = epoch
        self.positions = positions


def broken_loss(losses: Mapping[LossKey, Tensor | float]) -> NotFinite | None:
    """The first loss that is not finite; a GPU is waited for."""
    for key, loss in losses.items():
        value = float(loss)
        if not math.isfinite(value):
            return loss_not_finite(key, value)
    return None


def loss_not_finite(key: LossKey, value: float) -> NotFinite:
    """A loss that is not finite."""
    return NotFinite("loss", value, task=key.task, loss=key.kind, peer=key.peer)


def broken_gradient(named: Iterable[tuple[str, nn.Parameter]]) -> NotFinite | None:
    """The first parameter whose gradient is not finite; a GPU is waited for."""
    gradients = [(name, one.grad) for name, one in named if one.grad is not None]
    found = _first(gradients)
    return None if found is None else NotFinite("gradient", found[1], parameter=found[0])


def broken_weight(named: Iterable[tuple[str, nn.Parameter]]) -> NotFinite | None:
    """The first parameter that is not finite; a GPU is waited for, once."""
    found = _first([(name, one.detach()) for name, one in named])
    return None if found is None else NotFinite("weight", found[1], parameter=found[0])


def _first(tensors: list[tuple[str, Tensor]]) -> tuple[str, float] | None:
    if not tensors:
        return None
    sound = torch.stack([one.isfinite().all() for _, one in tensors])  # [tensor]
    if bool(sound.all()):
        return None
    name, tensor = tensors[int(sound.logical_not().nonzero()[0])]
    return name, float(tensor[~tensor.isfinite()][0])
