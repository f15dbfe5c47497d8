"""The interface of a head: from what was seen of the inputs to the logits of one task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from kd2edge.inputs.spec import Dim
from kd2edge.nets.features import Features, Widths
from kd2edge.tasks.spec import TaskSpec


class Head(nn.Module, ABC):
    """One task's head.  Implementations are final, made of (spec, widths, dropout)."""

    #: Shape of the output, with named dynamic dimensions.
    shape: tuple[Dim, ...]

    @abstractmethod
    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None: ...

    @abstractmethod
    def forward(self, features: Features) -> Tensor:
        """Logits of the task, in the shape that :attr:`shape` names."""
