"""Task specs, one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from kd2edge.tasks import TaskName, TaskSpec

# No absolute times: the first example of a test may pay for an import.
settings.register_profile("kd2edge", deadline=None, max_examples=50)
settings.load_profile("kd2edge")


@pytest.fixture(scope="session")
def spec() -> Callable[..., TaskSpec]:
    """``spec("binary", ("no", "yes"), threshold=0.7)``."""

    def make(kind: str, labels: tuple[str, ...], **decode: Any) -> TaskSpec:
        return TaskSpec(TaskName("task"), kind, labels, "accuracy", decode=decode)

    return make
