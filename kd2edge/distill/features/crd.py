"""Contrast: a row's two vectors belong together, and apart from those of other rows."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd2edge.distill.features.scaled import directions, scaled
from kd2edge.distill.loss import Given, Loss, Need, Sizes, weighted_mean


@final
class CRD(Loss):
    """Contrastive representation distillation (Tian et al. 2020, 1910.10699).

    Both features are embedded by learned layers and brought to length 1.  Each net's embedding of a
    row is told from those that a memory holds of the other net: its own row's against others',
    drawn from all training rows but itself, the same for a whole batch, without regard to labels.
    The memory holds two float32 vectors of ``width`` for every training row (1 KiB a row at 128);
    it is saved with checkpoints, as are the embeddings.

    Args:
        width: of the embeddings.
        negatives: other rows that a row is told from, at most all there are.
        temperature: that dot products are divided by.
        momentum: share that the memory of a row keeps when the row is seen again.
    """

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.ROWS})
    per = "row"
    projects = False
    student_memory: Tensor  # [row of the training split, width]
    teacher_memory: Tensor
    student_level: Tensor  # log of the constant Z over the rows; NaN until the first batch
    teacher_level: Tensor

    def __init__(self, *, width: int, negatives: int, temperature: float, momentum: float) -> None:
        super().__init__()
        self._width = width
        self._negatives = negatives
        self._temperature = temperature
        self._momentum = momentum

    def prepare(self, sizes: Sizes) -> None:
        if sizes.rows < 2:
            raise ValueError("crd tells a row from others: expected two training rows at least")
        self.student_embedding = nn.Linear(sizes.student[0], self._width)
        self.teacher_embedding = nn.Linear(sizes.teacher[0], self._width)
        for side in ("student", "teacher"):
            memory = _unit(torch.randn(sizes.rows, self._width))
            self.register_buffer(f"{side}_memory", memory)
            self.register_buffer(f"{side}_level", torch.tensor(math.nan))

    def forward(self, given: Given) -> Tensor:
        rows, weights = given.need(Need.ROWS), given.weights
        student = _unit(self.student_embedding(given.need(Need.STUDENT_FEATURES)))
        teacher = _unit(self.teacher_embedding(given.need(Need.TEACHER_FEATURES)))
        others = self._drawn().to(rows.device)
        to_teacher = self._scores(student, self.teacher_memory, rows, others)
        to_student = self._scores(teacher, self.student_memory, rows, others)
        self.teacher_level = _level(self.teacher_level, to_teacher, weights)
        self.student_level = _level(self.student_level, to_student, weights)
        apart = others != rows[:, None]  # [row, negative]
        loss = contrast(to_teacher - self.teacher_level.nan_to_num(), apart)
        loss = loss + contrast(to_student - self.student_level.nan_to_num(), apart)
        self._move(self.student_memory, student, rows, weights)
        self._move(self.teacher_memory, teacher, rows, weights)
        return weighted_mean(loss, weights)

    def _drawn(self) -> Tensor:
        """Rows that the batch is told from ``[negative]``, drawn on the CPU: one state to save."""
        rows = len(self.student_memory)
        if self._negatives >= rows:
            return torch.arange(rows)
        return torch.randint(rows, (self._negatives,))

    def _scores(self, vectors: Tensor, memory: Tensor, rows: Tensor, others: Tensor) -> Tensor:
        """Dot products over the temperature with the own row and with others ``[row, 1 + n]``."""
        own = (vectors * memory[rows]).sum(1, keepdim=True)
        return torch.cat([own, vectors @ memory[others].T], 1) / self._temperature

    @torch.no_grad()
    def _move(self, memory: Tensor, vectors: Tensor, rows: Tensor, weights: Tensor) -> None:
        """Move the memory of the rows that count towards what was said of them."""
        before = memory[rows]
        moved = _unit(self._momentum * before + (1 - self._momentum) * vectors)
        memory.index_copy_(0, rows, torch.where(weights[:, None] > 0, moved, before))


def _unit(vectors: Tensor) -> Tensor:
    return directions(scaled(vectors, [1]))


def contrast(scores: Tensor, apart: Tensor) -> Tensor:
    """How badly the own row is told from others: ``-log h(own) - sum of log(1 - h(other))``.

    The paper's ``h = p / (p + N / M)`` for N drawn of M rows, with ``p = e^score / Z`` and Z, M
    times the mean ``e^score``, is the sigmoid of ``score - log mean - log N``: nothing overflows.

    Args:
        scores: ``[row, 1 + n]``, the own one first, less the log of their mean ``e^s``.
        apart: ``[row, n]``, whether a drawn row is another one.
    """
    odds = scores - apart.sum(1, keepdim=True).clamp(min=1).log()
    return -F.logsigmoid(odds[:, 0]) - (F.logsigmoid(-odds[:, 1:]) * apart).sum(1)


@torch.no_grad()
def _level(level: Tensor, scores: Tensor, weights: Tensor) -> Tensor:
    """The log of the mean ``e^score``, from the first batch that counts on; it stays as it is.

    The constant Z of Wu et al. (2018, 1805.01978) over the number of rows.
    """
    counted = (weights > 0)[:, None].expand_as(scores)
    lowest = torch.finfo(scores.dtype).min
    mean = scores.masked_fill(~counted, lowest).flatten().logsumexp(0) - counted.sum().log()
    return torch.where(level.isnan() & counted.any(), mean, level)
