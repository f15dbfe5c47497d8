"""An alpha by an item's label: rare classes follow the teacher more than frequent ones, or less.

What a few items say of a class is noise, and a teacher knows it from the classes beside it; a
teacher of the same long tail may be what the rare classes are to be saved from.  Balanced knowledge
distillation (Zhang et al. 2021, 2104.10510) weighs the teacher's part alone by class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, final

import torch
from torch import Tensor

from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.schedule import Moment
from kd2edge.distill.schedules.an_item import AnItem
from kd2edge.errors import UsageError
from kd2edge.tasks.labels import label_index
from kd2edge.tasks.spec import MISSING, TaskSpec


@final
@dataclass(frozen=True, slots=True)
class ByClass(AnItem):
    """From ``frequent`` to ``rare``, by the logarithm of how many items a class has.

    Args:
        rare: of items of the rarest class.
        frequent: of items of the most frequent one; of all, where they are as many.
        unlabelled: of items without a label; they have the teacher's part alone, whose size it is.
        labels: label -> the alpha of its items, whatever their number.
        counts: how often each label stands in the training rows, see :meth:`counted`; others than
            the task's are refused when the value is asked for.
    """

    rare: float
    frequent: float
    unlabelled: float
    labels: Mapping[str, float]
    counts: tuple[int, ...] = ()
    kind: str = "by_class"
    kinds: ClassVar[frozenset[str]] = frozenset(
        {"binary", "classification", "ordinal", "token_classification"}
    )

    def counted(self, support: Support) -> ByClass:
        return replace(self, counts=support.labels)

    def require_fits(self, task: TaskSpec) -> None:
        if task.kind not in self.kinds:
            known = " and ".join(sorted(self.kinds))
            raise UsageError(
                f"{task.name}: {self.kind} is defined for tasks of kind {known}, this one"
                f" is {task.kind}: state a number, or another schedule"
            )
        AnItem.require_fits(self, task)  # super() knows no class that was made anew for its slots
        for label in self.labels:
            try:
                label_index(task.labels, label)
            except ValueError as error:
                raise UsageError(f"{task.name}: {self.kind}: {error}") from error

    def at(self, moment: Moment) -> Tensor:
        spec, labels = moment.items.spec, moment.items.targets()["labels"]
        if len(self.counts) != len(spec.labels):
            raise UsageError(
                f"{spec.name}: {self.kind}: expected a count of each of its"
                f" {len(spec.labels)} labels, found {len(self.counts)}: hand it the task's support"
            )
        alphas = [(1 - share) * self.frequent + share * self.rare for share in rarity(self.counts)]
        for label, alpha in self.labels.items():
            alphas[label_index(spec.labels, label)] = alpha
        # A label that is missing has the last one's place.
        table = torch.tensor([*alphas, self.unlabelled]).to(labels.device, non_blocking=True)
        return table[torch.where(labels == MISSING, len(alphas), labels)]


@lru_cache  # asked for at every step
def rarity(counts: tuple[int, ...]) -> tuple[float, ...]:
    """Where each class stands between the most frequent (0) and the rarest (1), in logarithms.

    A class without any item is the rarest; none of the items asks for it.

    Args:
        counts: items of each class.
    """
    there = [count for count in counts if count]
    if not there or min(there) == max(there):
        return tuple(0.0 if count or not there else 1.0 for count in counts)
    width = math.log(max(there) / min(there))
    most = max(there)
    return tuple(math.log(most / count) / width if count else 1.0 for count in counts)
