"""Targets that are lists of objects or maps, held by task kinds of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from distill.tiny import IMAGES, MemoryRows, image_rows
from kd2edge.rows.join import Source, joined
from kd2edge.tasks import TASK_KINDS, TaskName, TaskSpec
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import MISSING, NOTHING, Field, Target

SPEC = TaskSpec(TaskName("things"), "objects", ("a", "b"), "accuracy", column="things")


class Objects(TaskKind):
    """An object is (label, corner)."""

    name = "objects"
    per = "object"
    default_metrics = ("accuracy",)

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        return (Field("labels"), Field("corners", "float32", (2,)))

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        if value is None:
            return None
        labels = [spec.labels.index(label) for label, _ in value] or [NOTHING]
        corners = [corner for _, corner in value] or [(0, 0)]
        return {"labels": np.array(labels), "corners": np.array(corners, np.float32)}

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"encoding a split needs no {name} of a task kind")


Objects.__abstractmethods__ = frozenset()
OBJECTS: TaskKind = cast("Any", Objects)()


class Map(TaskKind):
    """A class for each of 2 x 3 places."""

    name = "map"
    per = "place"
    default_metrics = ("accuracy",)

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        return (Field("labels", shape=(2, 3)),)

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        return None if value is None else {"labels": np.array(value)}


Map.__abstractmethods__ = frozenset()
MAP = TaskSpec(TaskName("ground"), "map", ("a", "b"), "accuracy", column="ground")


def test_every_place_of_a_map_is_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd2edge.tasks.kinds.TASK_KINDS", {**TASK_KINDS, "map": cast("Any", Map)()})
    maps = [[[0, 1, 1], [0, MISSING, 0]], None, [[1, 1, 1], [0, 0, 0]]]
    image = image_rows()[0]["image"]
    rows = MemoryRows([{"image": image, "ground": one} for one in maps])
    split = IMAGES.split(tmp_path, joined([Source("s", rows, ("ground",))]), tasks=[MAP])
    batch = split.batch(np.array([2, 0, 1]))
    labels = batch.targets[MAP.name]["labels"].tolist()
    assert labels == [1, 1, 1, 0, 0, 0, 0, 1, 1, 0, MISSING, 0, *[MISSING] * 6]
    assert batch.has_label(MAP.name).tolist() == [one != MISSING for one in labels]
    assert np.asarray(split.truth(MAP.name).first).shape == (3, 2, 3)
    assert split.labelled([MAP.name]).tolist() == [True, False, True]


def test_a_batch_names_the_row_of_each_object_and_knows_unlabelled_rows_from_empty_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kd2edge.tasks.kinds.TASK_KINDS", {**TASK_KINDS, "objects": OBJECTS})
    things = [[("b", (7.5, 1)), ("a", (3, 0))], [], None, [("a", (1, 0.25))]]
    image = image_rows()[0]["image"]
    rows = MemoryRows([{"image": image, "things": one} for one in things])
    split = IMAGES.split(tmp_path, joined([Source("s", rows, ("things",))]), tasks=[SPEC])
    batch = split.batch(np.array([3, 0, 1, 2]))
    target = batch.targets[SPEC.name]
    assert list(target) == ["labels", "corners"]  # the first says what is labelled
    assert [name for name, _ in split.truth(SPEC.name).items()] == ["labels", "corners"]
    assert target["labels"].tolist() == [0, 1, 0, NOTHING, MISSING]
    assert target["corners"][:4].tolist() == [[1, 0.25], [7.5, 1], [3, 0], [0, 0]]
    assert target["corners"][4].isnan().all()
    assert batch.objects[SPEC.name].tolist() == [0, 1, 1, 2, 3]
    assert batch.has_label(SPEC.name).tolist() == [True, True, True, False]
