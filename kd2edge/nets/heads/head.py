"""The interface of a head: from what was seen of the inputs to the arrays of one task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from kd2edge.inputs.spec import Dim
from kd2edge.nets.features import Features, Widths
from kd2edge.tasks.spec import TaskSpec


class Head(nn.Module, ABC):
    """One task's head.  Implementations are final, made of (spec, widths, dropout)."""

    #: Shape of each array, with named dynamic dimensions, in the order of the kind's ``outputs``:
    #: the batch first, channels last.
    shapes: tuple[tuple[Dim, ...], ...]

    @abstractmethod
    def __init__(self, spec: TaskSpec, widths: Widths, dropout: float) -> None: ...

    @abstractmethod
    def forward(self, features: Features) -> tuple[Tensor, ...]:
        """The arrays of the task, in the shapes that :attr:`shapes` names."""
