"""What a method for long tails may change: logits in training, and what an item's label counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Support:
    """How often each label of a task stands in the training rows.

    Args:
        labels: items (rows, or words) that have it, a number a label.
        rows: rows that have a label of the task.
    """

    labels: tuple[int, ...]
    rows: int


class LongTail(nn.Module, ABC):
    """One method, of training alone: nothing of it is left in the net.  Implementations are final.

    What they make of the support is a buffer that no checkpoint holds: it follows from the job.

    Attributes:
        kinds: of the tasks that it is defined for.
    """

    kinds: frozenset[str]

    @abstractmethod
    def labelled(self, student: Tensor) -> Tensor:
        """The student's logits ``[item, channel]`` as the hard loss is given them."""

    @abstractmethod
    def taught(self, student: Tensor) -> Tensor:
        """The student's logits ``[item, channel]`` as they are compared with a teacher's."""

    @abstractmethod
    def weights(self, labels: Tensor) -> Tensor | None:
        """What each label counts in the hard loss, in the shape of ``labels``; None: all alike.

        Finite where a label is ``MISSING``.
        """
