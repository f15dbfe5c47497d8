"""A boosted model of several tasks: a forest each, over the columns of one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.split import EncodedSplit
from kd2edge.inputs.spec import InputSpec
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.boosted.boosting import BoostingSettings, Labelled, boosted_forest
from kd2edge.teacher.boosted.forest import Forest

Array = npt.NDArray[Any]

#: Rows that are read at once.
_READ = 8192


@final
@dataclass(frozen=True, slots=True)
class Boosted:
    """Trees of several tasks.

    Args:
        input: the table that they read.
        tasks: what they answer, with labels in the order of their logits.
        forests: of each task.
    """

    input: InputSpec
    tasks: tuple[TaskSpec, ...]
    forests: tuple[Forest, ...]

    def logits(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """``[row, channel]`` float32 of every task.

        Args:
            arrays: of the table, ``[row, column]`` each.
        """
        both = zip(self.tasks, self.forests, strict=True)
        return {str(task.name): forest.logits(arrays) for task, forest in both}

    @property
    def numbers(self) -> int:
        """How many numbers were learned: a question a split, a value a leaf."""
        return sum(forest.trees.numbers for forest in self.forests)

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return sum(len(forest.trees.root) for forest in self.forests)

    def operations(self, split: EncodedSplit) -> int:
        """Questions and additions of a row, on average over some rows of a split."""
        some = np.linspace(0, len(split) - 1, min(len(split), 256)).astype(np.int64)
        arrays = _arrays_at(split, self.input, some)
        questions = sum(one.trees.depth(one.columns.rows(arrays)) for one in self.forests)
        return round(questions + self.trees)


def boosted_from(
    spec: InputSpec,
    tasks: Sequence[TaskSpec],
    train: EncodedSplit,
    validation: EncodedSplit,
    settings: BoostingSettings,
    hidden: npt.NDArray[np.int64] | None = None,
    on_task: Callable[[TaskSpec, Forest], None] = lambda task, forest: None,
) -> Boosted:
    """Grow the trees of every task, one after the other.

    Args:
        spec: the table.
        tasks: what the trees answer.
        train: the training rows; of each task those that have its label.
        validation: rows that say when to stop.
        settings: how.
        hidden: positions of training rows that nothing is learned from.
        on_task: told about each task that is done.

    Raises:
        DataError: labels that leave nothing to learn.
        BackendError: trees that this scikit-learn keeps otherwise.
    """
    arrays = [arrays_of(one, spec) for one in (train, validation)]
    forests: list[Forest] = []
    for task in tasks:
        rows = Labelled(arrays[0], train.truth(task.name), hidden)
        judged = Labelled(arrays[1], validation.truth(task.name))
        forests.append(boosted_forest(spec, task, rows, judged, settings))
        on_task(task, forests[-1])
    return Boosted(spec, tuple(tasks), tuple(forests))


def arrays_of(split: EncodedSplit, spec: InputSpec) -> dict[str, Array]:
    """The arrays of a table, of all rows of a split."""
    return _arrays_at(split, spec, np.arange(len(split), dtype=np.int64))


def _arrays_at(split: EncodedSplit, spec: InputSpec, at: npt.NDArray[np.int64]) -> dict[str, Array]:
    names = [one.name for one in split.arrays[spec.name]]
    parts = [split.batch(at[start : start + _READ]).inputs for start in range(0, len(at), _READ)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in names}
