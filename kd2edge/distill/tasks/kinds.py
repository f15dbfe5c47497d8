"""Which hard loss a task kind has: that in the file of its name, or another's that fits."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.loss import Loss
from kd2edge.distill.tasks.binary import BinaryCrossEntropy
from kd2edge.distill.tasks.classification import CrossEntropy
from kd2edge.distill.tasks.multi_label import LabelCrossEntropy
from kd2edge.distill.tasks.ordinal import RankedProbability
from kd2edge.distill.tasks.regression import Huber
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
