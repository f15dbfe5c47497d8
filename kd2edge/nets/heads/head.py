"""The interface of a head: from what the backbone saw to the logits of one task."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from kd2edge.inputs.spec import Dim
from kd2edge.nets.backbones.backbone import Hidden
from kd2edge.tasks.spec import TaskSpec


class Head(nn.Module, ABC):
    """One task's head.  Implementations are final, made of (spec, backbone's width, dropout)."""

    #: Shape of the output, with named dynamic dimensions.
    shape: tuple[Dim, ...]

    @abstractmethod
    def __init__(self, spec: TaskSpec, width: int, dropout: float) -> None: ...

    @abstractmethod
    def forward(self, hidden: Hidden) -> Tensor:
        """Logits of the task, in the shape that :attr:`shape` names."""
