"""Which hard loss a task kind has."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.hard.binary_cross_entropy import BinaryCrossEntropy
from kd2edge.distill.hard.cross_entropy import CrossEntropy
from kd2edge.distill.hard.huber import Huber
from kd2edge.distill.hard.label_cross_entropy import LabelCrossEntropy
from kd2edge.distill.hard.ranked_probability import RankedProbability
from kd2edge.distill.loss import Loss
from kd2edge.tasks.spec import TaskSpec

#: Task kind -> its hard loss, called with the task and the label smoothing; a test compares the
#: keys with ``tasks.TASK_KINDS``.
HARD_LOSSES: dict[str, Callable[[TaskSpec, float], Loss]] = {
    "binary": BinaryCrossEntropy,
    "classification": CrossEntropy,
    "multi_label": LabelCrossEntropy,
    "ordinal": RankedProbability,
    "regression": Huber,
    "token_classification": CrossEntropy,
}
