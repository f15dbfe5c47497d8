"""A teacher that is no net: boosted trees, asked on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import final

import torch

from kd2edge.data.batch import Batch
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.boosted.model import Boosted
from kd2edge.teacher.teacher import Answer, Outputs, Teacher


@final
class BoostedTeacher(Teacher):
    """Boosted trees, loaded only when they are asked.

    Args:
        build: gives them, e.g. ``lambda: load_boosted(stem)``.
        tasks: their tasks, with labels in the order of their logits.
        fingerprint: SHA-256 of their file.
    """

    batch_size = 512  # a step of all trees costs the same for few rows

    def __init__(
        self, build: Callable[[], Boosted], tasks: Sequence[TaskSpec], fingerprint: str
    ) -> None:
        self._build = build
        self.tasks = tuple(tasks)
        self.fingerprint = fingerprint

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        """Trees have no features, and are asked on the CPU whatever ``device`` says.

        Raises:
            UsageError: a feature.
        """
        del device
        if features:
            raise UsageError(f"boosted trees have no features, found {', '.join(features)}")
        boosted = self._build()

        def answer(batch: Batch) -> Outputs:
            said = boosted.logits({name: one.numpy() for name, one in batch.inputs.items()})
            return Outputs({task: torch.from_numpy(one) for task, one in said.items()}, {})

        yield answer
