"""A table, what there is to learn of it, and trees that did."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.inputs.spec import InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec, Truth
from kd2edge.teacher.boosted import BoostingSettings
from kd2edge.teacher.boosted.boosting import Labelled, boosted_forest
from kd2edge.teacher.boosted.forest import Forest

SPEC = InputSpec("person", "tabular", ("town", "age"), {"numeric": ["age", "hours"],
                 "categorical": ["town", "job"], "prefix": "person_"})  # fmt: skip
SETTINGS = BoostingSettings(
    max_iter=12, learning_rate=0.3, max_leaf_nodes=7, max_depth=None, min_samples_leaf=5,
    l2_regularization=0.5, max_features=0.5, max_bins=255, early_stopping=False,
    n_iter_no_change=3, tol=1e-7, seed=5,
)  # fmt: skip
NO_ROWS = np.zeros(0, np.int64)


def arrays_of(rows: int, seed: int = 0) -> dict[str, npt.NDArray[Any]]:
    """A table: towns have the ids 0 to 9, jobs 10 to 15; a fifth of the numbers is missing."""
    draw = np.random.default_rng(seed)
    numbers = draw.normal(size=(rows, 2)).astype(np.float32)
    missing = (draw.random((rows, 2)) < 0.2).astype(np.float32)
    ids = np.stack([draw.integers(0, 10, rows), draw.integers(10, 16, rows)], 1)
    return {"person_numbers": numbers, "person_missing": missing, "person_categories": ids}


def said_of(arrays: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float64]:
    """What there is to learn: of numbers, of what is missing, and of categories."""
    numbers, ids = arrays["person_numbers"].astype(np.float64), arrays["person_categories"]
    known = np.where(arrays["person_missing"] > 0, 0.7, numbers)
    return known[:, 0] * (1 + (ids[:, 0] % 3)) + known[:, 1] - (ids[:, 1] == 12)


def spec_of(kind: str, labels: int = 0, **decode: float) -> TaskSpec:
    names = tuple(map(str, range(labels)))
    return TaskSpec(TaskName("task"), kind, names, "metric", decode=decode)


def forest(task: TaskSpec, truth: Truth, settings: BoostingSettings = SETTINGS,
           rows: int = 600, held_out: Labelled | None = None) -> Forest:  # fmt: skip
    nothing = Labelled({k: v[:0] for k, v in arrays_of(1).items()}, truth.taken(NO_ROWS))
    train = Labelled(arrays_of(rows), truth)
    return boosted_forest(SPEC, task, train, held_out or nothing, settings)
