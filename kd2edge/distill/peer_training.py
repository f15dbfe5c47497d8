"""The training of a net that learns beside the student."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.distill.evaluate import metric_values, predict_split
from kd2edge.distill.job import TrainingJob
from kd2edge.distill.objective import Objective
from kd2edge.distill.peer import Peer
from kd2edge.distill.random_state import own_randomness, random_state, restore_random_state
from kd2edge.distill.saving import prefixed, under
from kd2edge.distill.step import Stepper
from kd2edge.tasks.spec import TaskName


@final
class PeerTraining:
    """A peer's net, its losses and its optimiser.

    It draws from generators of its own: the student's numbers are the same with it and without, as
    long as the student does not listen to it.

    Args:
        peer: what is trained.
        job: of the student.
        device: where.
        precision: ``fp32`` or ``bf16``.

    Attributes:
        peer: what is trained.
        net: of it.
        stepper: takes its part of every step.
    """

    def __init__(self, peer: Peer, job: TrainingJob, device: torch.device, precision: str) -> None:
        settings = peer.settings(job.settings)
        self.peer = peer
        self._tasks = job.tasks
        self._device = device
        with own_randomness(peer.seed):
            self.net = peer.build().to(device)
            objective = Objective(
                job.tasks, settings.distill, job.knowledge, settings.label_smoothing
            ).to(device)
            self.stepper = Stepper(
                self.net, objective, settings, device, precision, self.randomness
            )
            self._random = random_state()

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Draw from the peer's generators; after it those of the student are as before."""
        before = random_state()
        restore_random_state(self._random)
        try:
            yield
        finally:
            self._random = random_state()
            restore_random_state(before)

    @property
    def prefix(self) -> str:
        """In front of the names of what is its own: in checkpoints, of parameters and modules."""
        return f"peers/{self.peer.name}/"

    @property
    def named(self) -> list[tuple[str, nn.Parameter]]:
        """Name and parameter of everything of it that is trained."""
        return [(self.prefix + name, one) for name, one in self.stepper.named]

    def validated(self, batch_size: int) -> dict[TaskName, float]:
        """Task -> its metric on the validation rows; nothing without any.

        Args:
            batch_size: rows a forward pass.
        """
        split = self.peer.validation
        if split is None:
            return {}
        with self.randomness():
            said = predict_split(
                self.net, split, self._tasks, batch_size=batch_size, device=str(self._device)
            )
        return metric_values(self._tasks, split, said)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that training changes, by name."""
        with self.randomness():  # so that the generators' state is its own
            return prefixed(self.prefix, self.stepper.learned.tensors())

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put everything back to where :meth:`tensors` saw it."""
        with self.randomness():
            self.stepper.learned.restore(under(self.prefix, tensors))
