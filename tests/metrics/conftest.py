"""Small truths and decisions to measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec

Labels = npt.NDArray[np.int64]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def spec() -> Callable[..., TaskSpec]:
    def make(labels: int | tuple[str, ...], kind: str = "classification") -> TaskSpec:
        names = tuple(f"c{k}" for k in range(labels)) if isinstance(labels, int) else labels
        return TaskSpec(TaskName("task"), kind, names, "accuracy")

    return make


@pytest.fixture
def decided() -> Callable[..., Decoded]:
    """Decisions whose scores are one-hot."""

    def make(labels: Labels | Ragged, classes: int) -> Decoded:
        if isinstance(labels, Ragged):
            scores = np.eye(classes, dtype=np.float32)[np.maximum(labels.values, 0)]
            return Decoded(labels, Ragged(scores, labels.offsets))
        return Decoded(labels, np.eye(classes, dtype=np.float32)[labels])

    return make


@pytest.fixture
def ragged() -> Callable[..., Ragged]:
    def make(rows: list[list[int]]) -> Ragged:
        offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
        return Ragged(np.array([v for row in rows for v in row], dtype=np.int64), offsets)

    return make
