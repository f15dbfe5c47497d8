"""Logit adjustment: the prior of the classes is added in training, and so is not learned."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from kd2edge.distill.long_tail.long_tail import LongTail, Support
from kd2edge.tasks.spec import TaskSpec


@final
class LogitAdjustment(LongTail):
    """``f + tau * log(prior)`` in the losses, ``f`` at inference (Menon et al. 2021, 2007.07314).

    Equation 10 there.  With tau 1 it is the balanced softmax of Ren et al. (2020, 2007.10740):
    the same formula with counts in place of the prior, which no softmax can tell.

    A teacher that was trained on the same rows says ``log p(class | item)``, prior included.  What
    the hard loss draws to that is ``f + tau * log(prior)``, not ``f``: so the adjusted logits are
    compared with the teacher's, too, else the two losses would want different students.

    A class that training never shows is taken for as frequent as the most frequent one: its prior
    is 0, whose logarithm would leave it where it was made, above what learned to be negative.

    Args:
        task: whose classes they are.
        support: of the training rows.
        tau: 0 changes nothing; 1 aims at the mean error of the classes.
        teacher: whether the adjusted logits are compared with the teacher's.
    """

    kinds = frozenset({"classification", "ordinal", "token_classification"})
    adjustment: Tensor  # [class]

    def __init__(self, task: TaskSpec, support: Support, *, tau: float, teacher: bool) -> None:
        super().__init__()
        del task
        self._teacher = teacher
        # Less the largest: equal counts give zeros to the bit, and a softmax knows no constant.
        counts = torch.tensor(support.labels, dtype=torch.float64)
        most = counts.max().clamp(min=1)
        share = torch.where(counts > 0, counts, most) / most
        self.register_buffer("adjustment", (tau * share.log()).float(), persistent=False)

    def labelled(self, student: Tensor) -> Tensor:
        return student + self.adjustment

    def taught(self, student: Tensor) -> Tensor:
        return student + self.adjustment if self._teacher else student

    def weights(self, labels: Tensor) -> None:
        del labels
