"""Task kinds, NumPy half: from a raw label to a target, from logits to a decision and an answer."""

from __future__ import annotations

from kd2edge.ragged import Ragged
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.kinds import TASK_KINDS, task_kind
from kd2edge.tasks.outputs import gather_words
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth

__all__ = [
    "MISSING",
    "TASK_KINDS",
    "Decoded",
    "Ragged",
    "TaskKind",
    "TaskName",
    "TaskSpec",
    "Truth",
    "gather_words",
    "task_kind",
]
