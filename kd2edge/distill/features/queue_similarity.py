"""Which of many earlier rows a row is like: what an unlabelled row of any kind can teach."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.features.scaled import directions, scaled
from kd2edge.distill.loss import Given, Loss, Need, Sizes, weighted_mean


@final
class QueueSimilarity(Loss):
    """Similarities to a queue of the teacher's vectors (SEED, Fang et al. 2021, 2101.04731).

    Teacher and student say how alike a row is to each of the teacher's latest rows and to the
    teacher's own vector of it: softmax of cosines.  The student learns the teacher's distribution
    (Kullback-Leibler divergence, which has the gradient of the paper's cross entropy).  Rows are
    compared, so the two nets may read other words, tokenizers and inputs.  The queue is saved with
    checkpoints; it takes ``size`` times the teacher's width in float32.

    Args:
        size: rows in the queue; the last batches' when they are more.
        temperature: of the student's softmax.
        teacher_temperature: of the teacher's; a low one counts the nearest rows alone.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES})
    per = "row"
    queue: Tensor  # [size, width], the latest first
    filled: Tensor  # [size], 1 where a row stands

    def __init__(self, *, size: int, temperature: float, teacher_temperature: float) -> None:
        super().__init__()
        self._size = size
        self._temperature = temperature
        self._teacher_temperature = teacher_temperature

    def prepare(self, sizes: Sizes) -> None:
        self.register_buffer("queue", torch.zeros(self._size, sizes.teacher[0]))
        self.register_buffer("filled", torch.zeros(self._size))

    def forward(self, given: Given) -> Tensor:
        student = directions(scaled(given.need(Need.STUDENT_FEATURES), [1]))
        teacher = directions(scaled(given.need(Need.TEACHER_FEATURES), [1]))
        said = self._log_shares(student, teacher, self._temperature)
        wanted = self._log_shares(teacher, teacher, self._teacher_temperature)
        self._remember(teacher, given.weights)
        return weighted_mean((wanted.exp() * (wanted - said)).sum(1), given.weights)

    def _log_shares(self, vectors: Tensor, own: Tensor, temperature: float) -> Tensor:
        """Log softmax over the teacher's own vector and the queue: ``[row, 1 + size]``."""
        to_queue = (vectors @ self.queue.T).masked_fill(self.filled == 0, _NEVER)
        to_own = (vectors * own).sum(1, keepdim=True)
        return (torch.cat([to_own, to_queue], 1) / temperature).log_softmax(1)

    @torch.no_grad()
    def _remember(self, teacher: Tensor, weights: Tensor) -> None:
        """Put the rows that count in front; the oldest fall off."""
        counted = weights > 0
        queue = torch.cat([teacher[counted], self.queue])[: self._size]
        filled = torch.cat([weights[counted], self.filled])[: self._size]
        self.queue, self.filled = queue, filled


#: A cosine that leaves a place of the queue without any share; infinity would give NaN.
_NEVER = -1e9
