"""Which classes an artefact decides worse than the reference, where the mean hides it.

A class's recall is compared in pairs: of the different inputs that are decided otherwise, as many
should be gained as lost.  The bound is the exact one of a sign test (McNemar's test in its
conditional form), corrected over the classes that are looked at (Bonferroni).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.items import Ints, items_of
from kd2edge.tasks.reject import reject_label
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth
from kd2edge.validate.validation import ClassFall
from kd2edge.verdict import ANY_FALL

__all__ = ["ENOUGH", "IN_SCOPE", "class_falls"]

#: A class that was decided right for so many inputs and is never decided again fails by that alone.
ENOUGH = 5
#: What all rows in scope are called among the classes.
IN_SCOPE = "rows in scope"


def class_falls(
    spec: TaskSpec,
    truth: Truth,
    models: tuple[Decoded, Decoded],
    inputs: npt.NDArray[np.uint64],
    confidence: float,
    max_drop_class: float,
) -> tuple[ClassFall, ...]:
    """The classes whose recall falls significantly, and those that are never decided any more.

    All rows in scope of a task that rejects count as one more class, which is decided right where
    they are not rejected: false alarms may spread over many classes and show in none.

    Args:
        spec: the task.
        truth: its labels.
        models: decisions of reference and artefact.
        inputs: the hash of each row's input: equal ones are one piece of evidence.
        confidence: one-sided, over all classes together.
        max_drop_class: a class fails when the lower bound of its fall is above it; 1 fails none.
    """
    before, after = (items_of(truth, one).labelled() for one in models)
    right, still = before.truth == before.decided, after.truth == after.decided
    decided = np.bincount(after.decided[after.decided >= 0], minlength=len(spec.labels))
    groups = [
        _Group(spec.labels[one], before.truth == one, right, still, gone=not decided[one])
        for one in map(int, np.unique(before.truth[right]))
    ]
    reject = reject_label(spec)
    if reject is not None:
        own = before.truth != reject
        answered, later = ((one.decided >= 0) & (one.decided != reject) for one in (before, after))
        if answered[own].any():
            groups.append(_Group(IN_SCOPE, own, answered, later, gone=not later.any()))
    found: list[ClassFall] = []
    for group in groups:
        own, right, still = group.own, group.right, group.still
        if not (right & ~still)[own].any():
            continue
        keys = inputs[before.row[own]]
        lost, gained, count = _pairs(keys, right[own], still[own])
        low = _low(lost, gained, count, (1 - confidence) / len(groups))
        if low <= 0 and not group.gone:
            continue
        recalls = (float(right[own].mean()), float(still[own].mean()))
        fall = recalls[0] - recalls[1]
        is_lost = group.gone and _kinds(keys, right[own]) >= ENOUGH and fall > max_drop_class
        failed = max_drop_class < ANY_FALL and (low > max_drop_class or is_lost)
        rows = int(own.sum())
        found.append(ClassFall(group.label, rows, *recalls, max(low, 0.0), group.gone, failed))
    return tuple(sorted(found, key=lambda fall: (not fall.failed, -fall.low, fall.label)))


class _Group(NamedTuple):
    """Some rows (words), and whether reference and artefact decide them right.

    Args:
        label: what they are called.
        own: ``[row]`` which of all rows they are.
        right: ``[row]`` of all rows, those that the reference decides right.
        still: ``[row]`` those that the artefact does.
        gone: the artefact decides so nowhere.
    """

    label: str
    own: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    still: npt.NDArray[np.bool_]
    gone: bool


def _kinds(keys: npt.NDArray[np.uint64], chosen: npt.NDArray[np.bool_]) -> int:
    return len(np.unique(keys[chosen]))


def _pairs(
    keys: npt.NDArray[np.uint64], right: npt.NDArray[np.bool_], still: npt.NDArray[np.bool_]
) -> tuple[int, int, int]:
    """Inputs that lose more of the class than they gain, that gain more, and all inputs."""
    _, index = np.unique(keys, return_inverse=True)
    change: Ints = still.astype(np.int64) - right.astype(np.int64)
    moved = np.bincount(index, change)
    return int((moved < 0).sum()), int((moved > 0).sum()), len(moved)


def _low(lost: int, gained: int, count: int, alpha: float) -> float:
    """Lower bound of the fall: of the inputs that changed, how many more were lost, of all."""
    changed = lost + gained
    if lost <= gained:
        return -1.0
    return (2 * _least_share(lost, changed, alpha) - 1) * changed / count


def _least_share(hits: int, count: int, alpha: float) -> float:
    """The lower bound of Clopper and Pearson for ``hits`` of ``count``."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _at_least(hits, count, middle) > alpha else (middle, high)
    return low


def _at_least(hits: int, count: int, share: float) -> float:
    """The chance of ``hits`` or more of ``count``."""
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    whole, yes, no = math.lgamma(count + 1), math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(
            whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * yes + (count - k) * no
        )
        for k in range(hits, count + 1)
    )
