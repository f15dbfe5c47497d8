"""Whole rows of an artefact: of the way with the fewest, among those that ran most rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate.estimates import Estimates
from kd2edge.validate.whole import whole_rows

TASKS = {name: TaskSpec(TaskName(name), "classification", ("a", "b"), "accuracy") for name in "pq"}
ALL = np.arange(100)


def decided(wrong: int) -> dict[str, Decoded]:
    """Both tasks of 100 rows, the first ones of ``q`` wrong."""
    return {"p": Decoded(np.ones(100, np.int64)), "q": Decoded((wrong <= ALL).astype(np.int64))}


def split(unlabelled: int = 0) -> Any:
    labels = np.where(100 - unlabelled <= ALL, MISSING, 1)
    return SimpleNamespace(
        truths={"p": Truth(np.ones(100, np.int64)), "q": Truth(labels)},
        inputs_of_rows=ALL.astype(np.uint64),
    )


def found(*ways: Any, tasks: Any = TASKS, of: Any = None) -> Any:
    return whole_rows(tasks, of or split(), decided(5), ways, 0.95, Estimates())


def test_the_way_with_the_fewest_counts() -> None:
    one = found((ALL, decided(7)), (ALL, decided(12)), (ALL, decided(5)))
    assert (one.candidate.value, one.reference.value, one.candidate.rows) == (0.88, 0.95, 100)
    assert abs(one.drop.value - 0.07) < 1e-12


def test_a_way_that_was_refused_rows_says_nothing_beside_one_that_ran_all() -> None:
    few = np.arange(3)
    some = {task: part.taken(few) for task, part in decided(5).items()}
    one = found((few, some), (ALL, decided(7)))
    assert (one.candidate.value, one.candidate.rows) == (0.93, 100)


def test_rows_without_a_label_of_one_task_do_not_count() -> None:
    one = found((ALL, decided(8)), of=split(unlabelled=20))
    assert one.candidate.rows == 80
    assert one.candidate.value == 72 / 80
    assert found((ALL, decided(8)), of=split(unlabelled=100)) is None


def test_one_task_alone_has_no_whole_rows() -> None:
    assert found((ALL, decided(8)), tasks={"q": TASKS["q"]}) is None
    assert found() is None
