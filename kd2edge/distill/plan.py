"""How much training there is: which rows, how many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kd2edge.data.sampler import epoch_order, steps_an_epoch
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.settings import TrainSettings
from kd2edge.errors import DataError
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows and steps of a training.

    Args:
        rows: positions of the rows that an epoch walks over.
        lengths: length of each of them.
        batch_size: rows a step.
        seed: of the order.
        steps: steps in all.
    """

    rows: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    batch_size: int
    seed: int
    steps: int

    @property
    def epochs(self) -> int:
        """Epochs begun; the last one may end early."""
        return -(-self.steps // steps_an_epoch(len(self.rows), self.batch_size))

    def batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Positions of every batch of an epoch (from 0)."""
        order = epoch_order(self.lengths, self.batch_size, self.seed, epoch)
        return [self.rows[batch] for batch in order]


def plan_of(
    split: EncodedSplit,
    tasks: Sequence[TaskName],
    settings: TrainSettings,
    *,
    taught: bool,
    hidden: npt.NDArray[np.int64] | None = None,
) -> Plan:
    """Plan a training.

    Args:
        split: the training rows.
        tasks: the tasks that are learned.
        settings: epochs or steps, batch size, seed.
        taught: whether teachers have a say; without one, rows without any label teach nothing.
        hidden: positions of rows that are not shown.

    Raises:
        DataError: a task that the split does not know, or no rows to learn from.
    """
    unknown = [task for task in tasks if task not in split.tasks]
    if unknown:
        raise DataError(
            f"the training split has no targets of {', '.join(unknown)}; encode them with it"
        )
    shown = np.ones(len(split), np.bool_) if taught else split.labelled(tasks)  # [row]
    if hidden is not None:
        shown[hidden] = False
    rows = np.flatnonzero(shown)
    if len(rows) == 0:
        raise DataError(
            "no training row has a label and there is no teacher: nothing to learn from"
        )
    steps = settings.max_steps or settings.epochs * steps_an_epoch(len(rows), settings.batch_size)
    lengths = split.lengths[rows].astype(np.int64)
    return Plan(rows.astype(np.int64), lengths, settings.batch_size, settings.seed, steps)
