"""What a join is: what each of several teachers weighs in each item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kd2edge.errors import UsageError
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import Activation, Output, TaskSpec


@dataclass(frozen=True, slots=True)
class Several:
    """What several teachers say of the items of an array.

    Args:
        logits: ``[teacher, item, channel]`` fp32, as they were cached: at temperature 1.  Of an
            item that a teacher did not see they are arbitrary but finite.
        output: what the array is.  Of more channels than the logits have, the last logit is of
            all the others together (see ``teacher.top_k``).
        lacks: what each teacher lacks of a perfect one ``[teacher]``, above 0; None: nobody asked.
    """

    logits: Tensor
    output: Output
    lacks: tuple[float, ...] | None


class Join(ABC):
    """One way to weigh.  Implementations are final.

    They are frozen dataclasses with a ``kind`` of their own: they are part of the fingerprint that
    a checkpoint is known by.

    Attributes:
        activations: of the outputs that it is defined for.
        by_skill: whether it asks what each teacher lacks, on the validation rows.
    """

    kind: str
    activations: ClassVar[frozenset[Activation]] = frozenset({"softmax", "sigmoid", "none"})
    by_skill: ClassVar[bool] = False

    @abstractmethod
    def weights(self, several: Several) -> Tensor:
        """What each teacher weighs ``[teacher, item]``, not negative; only shares count."""

    def require_fits(self, task: TaskSpec) -> None:
        """Refuse a task that it is not defined for.

        Args:
            task: its labels known.

        Raises:
            UsageError: of such a task.
        """
        found = {output.activation for output in outputs_of(task).values()}
        if found - self.activations:
            raise UsageError(
                f"join of {task.name}: {self.kind} is defined for tasks that choose labels, this"
                f" one is {task.kind}: write mean or skill"
            )
