"""How much training there is: which rows, how many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kd2edge.data.draw import drawn, rarest
from kd2edge.data.sampler import epoch_order, steps_an_epoch
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.settings import Sampling, TrainSettings
from kd2edge.errors import DataError, UsageError
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class Sampled:
    """How the rows of an epoch are drawn.

    Args:
        groups: which source or task each of the plan's rows is of ``[row]``.
        temperature: see :func:`~kd2edge.data.draw.drawn`.
    """

    groups: npt.NDArray[np.int64]
    temperature: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows and steps of a training.

    Args:
        rows: positions of the rows that an epoch walks over.
        lengths: length of each of them.
        batch_size: rows a step.
        seed: of the order.
        steps: steps in all.
        sampled: how rows are drawn; None: each is shown once an epoch.
    """

    rows: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    batch_size: int
    seed: int
    steps: int
    sampled: Sampled | None

    @property
    def epochs(self) -> int:
        """Epochs begun; the last one may end early."""
        return -(-self.steps // steps_an_epoch(len(self.rows), self.batch_size))

    def batches(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Positions of every batch of an epoch (from 0)."""
        rows, lengths = self.rows, self.lengths
        if self.sampled is not None:
            chosen = drawn(self.sampled.groups, self.sampled.temperature, self.seed, epoch)
            rows, lengths = rows[chosen], lengths[chosen]
        return [rows[batch] for batch in epoch_order(lengths, self.batch_size, self.seed, epoch)]


def plan_of(
    split: EncodedSplit,
    tasks: Sequence[TaskName],
    settings: TrainSettings,
    *,
    taught: bool,
    hidden: npt.NDArray[np.int64] | None = None,
    sources: npt.NDArray[np.int64] | None = None,
) -> Plan:
    """Plan a training.

    Args:
        split: the training rows.
        tasks: the tasks that are learned.
        settings: epochs or steps, batch size, seed.
        taught: whether teachers have a say; without one, rows without any label teach nothing.
        hidden: positions of rows that are not shown.
        sources: which source each row of the split is of ``[row]``, where these are drawn from.

    Raises:
        DataError: a task that the split does not know, or no rows to learn from.
        UsageError: sources are to be drawn from, and nobody says which row is of which.
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
    rows = rows.astype(np.int64)
    sampled = None
    if settings.sampling is not None:
        groups = _groups(split, tasks, settings.sampling, rows, sources)
        sampled = Sampled(groups, settings.sampling.temperature)
    return Plan(rows, lengths, settings.batch_size, settings.seed, steps, sampled)


def _groups(
    split: EncodedSplit,
    tasks: Sequence[TaskName],
    sampling: Sampling,
    rows: npt.NDArray[np.int64],
    sources: npt.NDArray[np.int64] | None,
) -> npt.NDArray[np.int64]:
    """What each of the plan's rows is drawn as one of ``[row]``."""
    if sampling.over == "tasks":
        return rarest(np.stack([split.labelled([task])[rows] for task in tasks]))
    if sources is None:
        raise UsageError("sampling: expected the source of each row, found none; state them")
    return sources[rows]
