"""A teacher that is one of our nets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import final

import torch

from kd2edge.data.batch import Batch
from kd2edge.data.device import full_fp32
from kd2edge.nets import Net
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.teacher import Answer, Outputs, Teacher


@final
class NetTeacher(Teacher):
    """A net, built only when it is asked.

    Args:
        build: makes the net with its trained weights, e.g. ``lambda: load_net(stem)``.
        tasks: its tasks, with labels in the order of its logits.
        fingerprint: SHA-256 of the weights' file or whatever else names these weights.
    """

    def __init__(
        self, build: Callable[[], Net], tasks: Sequence[TaskSpec], fingerprint: str
    ) -> None:
        self._build = build
        self.tasks = tuple(tasks)
        self.fingerprint = fingerprint

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        net = self._build().to(device).eval()
        with net.capture(features) as captured:

            def answer(batch: Batch) -> Outputs:
                with torch.inference_mode(), full_fp32(device):
                    logits = net(batch.to(device).inputs)
                return Outputs(logits, dict(captured))

            yield answer
