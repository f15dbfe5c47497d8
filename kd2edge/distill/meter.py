"""Means over an epoch: of losses, and of the values that schedules gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from kd2edge.distill.balance import LossKey
from kd2edge.distill.explosion import Exploded, Growth
from kd2edge.tasks.spec import TaskName

Sums = list[tuple[str, str, str, float, int]]

#: Kinds that are no losses but what was used of a schedule: its mean over the items of a batch.
VALUES = ("alpha", "temperature", "sample_weight", "weight")


@dataclass(frozen=True, slots=True)
class Broken:
    """The first loss that was not finite.

    Args:
        key: which loss.
        value: NaN or an infinity.
        ago: batches that were counted after it.
    """

    key: LossKey
    value: float
    ago: int


@final
class Meter:
    """Sums named losses; tensors are read only when someone looks, so that no GPU is waited for.

    Args:
        growth: told of what is read; of the whole training.
        sums: of a checkpoint.
    """

    def __init__(self, growth: Growth, sums: Sums | None = None) -> None:
        self.growth = growth
        self._sums = {
            LossKey(TaskName(task), kind, peer): (total, count)
            for task, kind, peer, total, count in sums or []
        }
        self._pending: list[Mapping[LossKey, Tensor | float]] = []
        self._read = 0
        self._broken: tuple[int, LossKey, float] | None = None

    def add(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        """Count one batch; a loss that it lacks is not counted."""
        self._pending.append(losses)

    def sums(self) -> Sums:
        """What a new meter goes on from, as JSON values."""
        self._collect()
        return [
            (key.task, key.kind, key.peer, total, count)
            for key, (total, count) in self._sums.items()
        ]

    def means(self, peer: str = "") -> dict[TaskName, dict[str, float]]:
        """Mean of each loss of a peer, or of the student, by task and kind."""
        return self._means(peer, values=False)

    def values(self) -> dict[TaskName, dict[str, float]]:
        """Mean of each value of a schedule, by task and kind; constants are not there."""
        return self._means("", values=True)

    def _means(self, peer: str, *, values: bool) -> dict[TaskName, dict[str, float]]:
        self._collect()
        means: dict[TaskName, dict[str, float]] = {}
        for key, (total, count) in self._sums.items():
            if key.peer == peer and (key.kind in VALUES) is values:
                means.setdefault(key.task, {})[key.kind] = total / count
        return means

    def broken(self) -> Broken | None:
        """The first loss that was not finite; None while all were."""
        self._collect()
        if self._broken is None:
            return None
        at, key, value = self._broken
        return Broken(key, value, self._read - at)

    def exploded(self) -> tuple[Exploded, int] | None:
        """The first loss that exploded, and batches since it began to; None while none did."""
        self._collect()
        found = self.growth.exploded
        return None if found is None else (found, self.growth.step - found.since)

    def _collect(self) -> None:
        for losses in self._pending:
            self._read += 1
            read = {key: float(loss) for key, loss in losses.items()}
            self.growth.add({key: one for key, one in read.items() if key.kind not in VALUES})
            for key, value in read.items():
                if self._broken is None and not math.isfinite(value):
                    self._broken = self._read, key, value
                total, count = self._sums.get(key, (0.0, 0))
                self._sums[key] = (total + value, count + 1)
        self._pending.clear()
