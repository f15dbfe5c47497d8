"""Head, middle and tail classes: does a model serve the rare ones too?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kd2edge.metrics.per_class import ClassScore

GROUPS = ("head", "middle", "tail")


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
