"""Which training rows each fold of a cross-fitted teacher does not see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.pipeline.reading.sources import hashes_of
from kd2edge.rows.holdout import held_out
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.cross_fitted import FINAL

__all__ = ["fold_of_rows"]

Folds = npt.NDArray[np.int64]


def fold_of_rows(data: Prepared, tasks: Sequence[TaskSpec], folds: int, seed: int) -> Folds:
    """The fold of each training row ``[row]``, ``FINAL`` for rows of sources without labels.

    Rows with the same inputs are in one fold, and each fold has its share of every label.

    Args:
        data: rows and tasks.
        tasks: those that the teacher answers.
        folds: how many.
        seed: another one gives other folds.

    Raises:
        DataError: fewer different rows than folds.
    """
    rows = data.rows["train"]
    labelled = rows.parts[0]
    shares = {f"fold {number}": 1 / folds for number in range(2, folds + 1)}
    columns = [task.column for task in tasks if task.labels]
    try:
        own = held_out(labelled, shares, hashes_of(labelled, data.plan), labels=columns, seed=seed)
    except DataError as error:
        raise DataError(f"folds: {error}") from error
    rest = np.full(len(rows) - len(labelled), FINAL, dtype=np.int64)
    return np.concatenate([own, rest])
