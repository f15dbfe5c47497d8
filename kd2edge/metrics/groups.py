"""Head, middle and tail classes: does a model serve the rare ones too?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.counts import counts_of
from kd2edge.metrics.macro_f1 import MacroF1
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.per_class import ClassScore
from kd2edge.metrics.ratio import ratio
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth

GROUPS = ("head", "middle", "tail")
#: A tail is long where the most frequent class has so many times the items of the rarest.
_LONG = 10


@dataclass(frozen=True, slots=True)
class GroupScore:
    """The mean over the classes of a group that occur in the evaluated split.

    ``support`` counts the group's labelled items there.
    """

    group: str
    classes: int
    support: int
    precision: float
    recall: float
    f1: float


def class_groups(
    train_support: Sequence[int], *, head_above: int = 100, tail_below: int = 20
) -> tuple[str, ...]:
    """The group of each class by its training items.

    Limits as in "Large-Scale Long-Tailed Recognition in an Open World" (Liu et al. 2019): many-shot
    above 100 items, few-shot below 20.
    """

    def group(items: int) -> str:
        if items > head_above:
            return "head"
        return "tail" if items < tail_below else "middle"

    return tuple(group(items) for items in train_support)


def is_long_tailed(train_support: Sequence[int]) -> bool:
    """Whether classes differ so much in their training items that groups of them say something.

    A class that training never shows counts as one of a single item.
    """
    return max(train_support, default=0) >= _LONG * max(min(train_support, default=1), 1)


@final
class GroupF1(Metric):
    """The mean F1 of some classes, all rows taken in: others may be taken for one of these.

    Args:
        classes: indices of the classes, at least one, each with labelled items in the rows.
    """

    name = "group_f1"
    kinds = MacroF1.kinds
    stratified = True

    def __init__(self, classes: Sequence[int]) -> None:
        self._classes = list(classes)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 2 G]``: a class's right items; its true plus its claimed items."""
        found = counts_of(truth, decoded, len(spec.labels))
        both = (found.right, found.true + found.claimed)
        return np.concatenate([part[:, self._classes] for part in both], axis=1)

    def value(self, sums: Floats) -> Floats:
        right, whole = np.split(sums, 2, axis=-1)  # [..., G] each
        return ratio(2 * right, whole).mean(axis=-1)

    def span(self, spec: TaskSpec, truth: Truth) -> float:
        """One more row of a group of few rows says as much of it as of all rows if they were few.

        A row's share is of all labelled rows: the group's mean moves by that times their number
        over the group's.
        """
        del spec
        labels = truth.labels.values if isinstance(truth.labels, Ragged) else truth.labels
        if labels.ndim > 1:
            own, all_rows = (labels[:, self._classes] == 1).any(1), (labels >= 0).any(1)
        else:
            own, all_rows = np.isin(labels, self._classes), labels >= 0
        return float(all_rows.sum() / own.sum())

    def strata(self, truth: Truth) -> npt.NDArray[Any] | None:
        return MacroF1().strata(truth)


def group_scores(scores: Sequence[ClassScore], groups: Sequence[str]) -> tuple[GroupScore, ...]:
    """Scores of each group in the order of ``GROUPS``; a group without a class is left out.

    Args:
        scores: of every class, from ``per_class``.
        groups: of every class, from ``class_groups``.
    """
    found: list[GroupScore] = []
    for name in GROUPS:
        members = [
            score
            for score, group in zip(scores, groups, strict=True)
            if group == name and score.support
        ]
        if members:
            found.append(_mean(name, members))
    return tuple(found)


def _mean(name: str, members: Sequence[ClassScore]) -> GroupScore:
    count = len(members)
    return GroupScore(
        group=name,
        classes=count,
        support=sum(score.support for score in members),
        precision=sum(score.precision for score in members) / count,
        recall=sum(score.recall for score in members) / count,
        f1=sum(score.f1 for score in members) / count,
    )
