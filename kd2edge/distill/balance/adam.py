"""Steps of Adam (Kingma and Ba 2015, 1412.6980) for weights that a balancer learns by itself."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

_MEAN, _SQUARE = 0.9, 0.999
_EPSILON = 1e-8


@final
class Adam(nn.Module):
    """Moments as buffers, one of each and a count a number: a task that is absent keeps its own.

    ``torch.optim.Adam`` takes one step for all its numbers, and its state is in no checkpoint here.

    Args:
        count: how many numbers are learned.
        lr: learning rate, the same in every step.
    """

    mean: Tensor
    square: Tensor
    steps: Tensor

    def __init__(self, count: int, lr: float) -> None:
        super().__init__()
        self._lr = lr
        for name in ("mean", "square", "steps"):
            self.register_buffer(name, torch.zeros(count))

    def step(self, gradient: Tensor, at: Tensor) -> Tensor:
        """What to add to the numbers ``at`` these places, given the gradient at each."""
        self.steps[at] += 1
        self.mean[at] = _MEAN * self.mean[at] + (1 - _MEAN) * gradient
        self.square[at] = _SQUARE * self.square[at] + (1 - _SQUARE) * gradient.square()
        mean = self.mean[at] / (1 - _MEAN ** self.steps[at])
        square = self.square[at] / (1 - _SQUARE ** self.steps[at])
        return -self._lr * mean / (square.sqrt() + _EPSILON)
