"""Which hard loss a task kind has."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.hard.binary_cross_entropy import BinaryCrossEntropy
from kd2edge.distill.hard.cross_entropy import CrossEntropy
from kd2edge.distill.loss import Loss

#: Task kind -> its hard loss, called with the label smoothing; a test compares the keys with
#: ``tasks.TASK_KINDS``.
HARD_LOSSES: dict[str, Callable[[float], Loss]] = {
    "binary": BinaryCrossEntropy,
    "classification": CrossEntropy,
    "token_classification": CrossEntropy,
}
