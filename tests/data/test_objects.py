"""Targets that are lists of objects: a seam for detection, held by a task kind of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distill.tiny import IMAGES, MemoryRows, image_rows
from kd2edge.rows.join import Source, joined
from kd2edge.tasks import TASK_KINDS, TaskName, TaskSpec
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import MISSING, NOTHING

SPEC = TaskSpec(TaskName("things"), "objects", ("a", "b"), "accuracy", column="things")


class Objects(TaskKind):
    """An object is (label, place)."""

    name = "objects"
    object_width = 2
    default_metrics = ("accuracy",)

    def target(self, spec: TaskSpec, value: Any) -> np.ndarray:
        if value is None:
            return np.array([[MISSING, 0]])
        found = [[spec.labels.index(label), place] for label, place in value]
        return np.array(found or [[NOTHING, 0]])

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"encoding a split needs no {name} of a task kind")


Objects.__abstractmethods__ = frozenset()


def test_a_batch_names_the_row_of_each_object_and_knows_unlabelled_rows_from_empty_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd2edge.tasks.kinds.TASK_KINDS", {**TASK_KINDS, "objects": Objects()})
    things = [[("b", 7), ("a", 3)], [], None, [("a", 1)]]
    image = image_rows()[0]["image"]
    rows = MemoryRows([{"image": image, "things": one} for one in things])
    split = IMAGES.split(tmp_path, joined([Source("s", rows, ("things",))]), tasks=[SPEC])
    batch = split.batch(np.array([3, 0, 1, 2]))
    assert batch.targets[SPEC.name].tolist() == [[0, 1], [1, 7], [0, 3], [NOTHING, 0], [MISSING, 0]]
    assert batch.objects[SPEC.name].tolist() == [0, 1, 1, 2, 3]
    assert batch.has_label(SPEC.name).tolist() == [True, True, True, False]
    assert split.supports(SPEC.name, 2).tolist() == [2, 1]
