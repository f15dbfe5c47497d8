"""Whole rows: the share of rows on which every task is right.

Of an intent and its slots this is the frame (or sentence) accuracy of spoken language understanding
(Goo et al. 2018, "Slot-Gated Modeling"); of several labels a row, exact match over all of them.  A
row counts where each of the tasks has a label; values, which are never right to the last
digit, have no part in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.accuracy import Accuracy
from kd2edge.metrics.exact_match import ExactMatch
from kd2edge.metrics.items import has_label
from kd2edge.metrics.metric import Metric
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth

__all__ = ["WHOLE", "labelling", "whole_decoded", "whole_truth"]

#: Whole rows as a task: each of them is right, or it is not.
WHOLE = TaskSpec(
    TaskName("whole_rows"), "classification", ("wrong", "right"), Accuracy.name, (Accuracy.name,)
)
_WRONG, _RIGHT = range(2)
#: What says of a row how many of its labels there are, and how many are right.
_COUNTING: Sequence[Metric] = (Accuracy(), ExactMatch())

Bools = npt.NDArray[np.bool_]


def labelling(specs: Iterable[TaskSpec]) -> list[TaskSpec]:
    """The tasks that whole rows are about: those that decide on labels; none if it is but one."""
    found = [spec for spec in specs if _counting(spec) is not None]
    return found if len(found) > 1 else []


def whole_truth(specs: Sequence[TaskSpec], truths: Mapping[str, Truth]) -> Truth | None:
    """Whether each row ``[row]`` has a label of every task: what it should be, ``right``.

    None where nothing can be counted: no such tasks, or no row with a label of each.

    Args:
        specs: of :func:`labelling`.
        truths: task -> its labels.
    """
    if not specs:
        return None
    labelled = np.all([has_label(truths[str(spec.name)]) for spec in specs], axis=0)
    if not labelled.any():
        return None
    return Truth(np.where(labelled, _RIGHT, MISSING).astype(np.int64))


def whole_decoded(
    specs: Sequence[TaskSpec], truths: Mapping[str, Truth], decoded: Mapping[str, Decoded]
) -> Decoded:
    """Whether a model is right about all of each row ``[row]``.

    Args:
        specs: of :func:`labelling`.
        truths: task -> its labels.
        decoded: task -> what the model says.

    Raises:
        ValueError: truth and decisions of unequal numbers of rows or words.
    """
    parts = [_right(spec, truths[str(spec.name)], decoded[str(spec.name)]) for spec in specs]
    return Decoded(np.where(np.all(parts, axis=0), _RIGHT, _WRONG).astype(np.int64))


def _right(spec: TaskSpec, truth: Truth, decoded: Decoded) -> Bools:
    counting = _counting(spec)
    assert counting is not None
    counts = counting.rows(spec, truth, decoded)  # [row, (right, labelled)]
    return counts[:, 0] == counts[:, 1]


def _counting(spec: TaskSpec) -> Metric | None:
    """What counts a row's labels and those that are right; None of values."""
    return next((one for one in _COUNTING if spec.kind in one.kinds), None)
