"""Nothing: every item counts alike, and what the student says is taken as it is."""

from __future__ import annotations

from typing import final

from torch import Tensor

from kd2edge.distill.long_tail.long_tail import LongTail, Support
from kd2edge.tasks.kinds import TASK_KINDS
from kd2edge.tasks.spec import TaskSpec


@final
class Plain(LongTail):
    """Labels and logits as they are."""

    kinds = frozenset(TASK_KINDS)

    def __init__(self, task: TaskSpec, support: Support) -> None:
        super().__init__()
        del task, support

    def labelled(self, student: Tensor) -> Tensor:
        return student

    def taught(self, student: Tensor) -> Tensor:
        return student

    def weights(self, labels: Tensor) -> None:
        del labels
