"""What a teacher is: something that gives outputs and named features for rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.tasks.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a teacher says of a batch.

    Args:
        logits: array of a head -> ``[batch, channel]``, ``[batch, length, channel]`` over sub-words
            or ``[batch, ..., channel]``; see ``tasks.outputs``.
        features: module path -> ``[batch, width]``, ``[batch, length, width]`` or
            ``[batch, channel, height, width]``.
    """

    logits: Mapping[str, Tensor]
    features: Mapping[str, Tensor]


Answer = Callable[[Batch], Outputs]


class Teacher(ABC):
    """A teacher.  Making one is free; only :meth:`open` loads weights.

    Attributes:
        fingerprint: of everything its outputs depend on beside the batch; known before opening.
        tasks: the tasks it answers, with labels in the order of its own logits.
        batch_size: rows that it is best asked at once.
    """

    fingerprint: str
    tasks: tuple[TaskSpec, ...]
    batch_size: int = 64

    @abstractmethod
    def open(self, features: Sequence[str], device: torch.device) -> AbstractContextManager[Answer]:
        """Load the teacher, for a ``with`` block; the function in it answers batches on the CPU.

        Args:
            features: names of the features that its outputs must hold.
            device: where to compute.
        """
