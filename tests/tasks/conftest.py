"""Task specs, one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kd2edge.tasks import TaskName, TaskSpec


@pytest.fixture(scope="session")
def spec() -> Callable[..., TaskSpec]:
    """``spec("binary", ("no", "yes"), threshold=0.7)``."""

    def make(kind: str, labels: tuple[str, ...], **decode: Any) -> TaskSpec:
        return TaskSpec(TaskName("task"), kind, labels, "accuracy", decode=decode)

    return make
