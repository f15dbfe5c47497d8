"""Rows of a batch mixed in pairs, with their labels and their teachers' word.

Mixup (Zhang et al. 2018, arXiv 1710.09412, equation 2): with a share ``s`` drawn from
``Beta(alpha, alpha)``, one for a batch as in the authors' own code, a row ``i`` and its partner
``j`` become ``s * x_i + (1 - s) * x_j``, with the target ``s * y_i + (1 - s) * y_j``.

The target is mixed as a loss is: ``s * L(., y_i) + (1 - s) * L(., y_j)``.  Cross entropy, KL
divergence and squared error differ by a constant from the loss of a mixed target: their gradients
are those of the mix of the two rows' labels, and of their teachers' probabilities.  Every other
loss, alpha an item and missing labels are what they are for a row by itself.

**Teachers are not asked about the mixed row**: their word is a mix of what they said of the two,
which their cache knows.  Beyer et al. 2022 (arXiv 2106.05237) ask about the mixed row itself, for
which a teacher has to answer in every step.

At ``features`` the vectors that the heads read are mixed, as Verma et al. 2019 (arXiv 1806.05236)
mix hidden states and Guo et al. 2019 (arXiv 1905.08941) embedded sentences.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.distill.objective import Terms
from kd2edge.errors import UsageError
from kd2edge.nets import Net
from kd2edge.tasks.outputs import outputs_of

#: Apart from whatever else the seed is for.
_APART = 0x317


class Pairs(NamedTuple):
    """What a batch is mixed of: ``share`` of each row, the rest of the row at ``order`` [batch]."""

    share: float
    order: npt.NDArray[np.int64]

    def mixed(self, values: Tensor) -> Tensor:
        """``[batch, ...]`` in pairs; pixels become numbers between them."""
        numbers = values if values.is_floating_point() else values.float()
        others = numbers[torch.from_numpy(self.order).to(values.device)]
        return self.share * numbers + (1 - self.share) * others

    def partners(self, batch: Batch) -> Batch:
        """The partners of a batch's rows, in their order."""
        order = torch.from_numpy(self.order)
        return replace(
            batch,
            positions=batch.positions[self.order],
            inputs={name: one[order] for name, one in batch.inputs.items()},
            targets={
                task: {name: one[order] for name, one in fields.items()}
                for task, fields in batch.targets.items()
            },
            words={},  # of rows in their old order; no task here has a label a word
            lengths={name: one[self.order] for name, one in batch.lengths.items()},
        )


def pairs_of(alpha: float, seed: int, step: int, rows: int) -> Pairs:
    """The pairs of a step, a function of seed and step: a resumed training mixes the same.

    Args:
        alpha: of the distribution of the share.
        seed: of the training.
        step: counted from 0.
        rows: of the batch.
    """
    random = np.random.default_rng([_APART, seed, step])
    return Pairs(float(random.beta(alpha, alpha)), random.permutation(rows).astype(np.int64))


def mixed_terms(own: Terms, others: Terms, share: float) -> Terms:
    """The losses of a mixed batch: ``share`` of those with its own rows' targets.

    Args:
        own: against the targets of the rows.
        others: against those of their partners; the same rows have a label among both.
        share: of the rows.
    """
    terms = {key: share * one + (1 - share) * others.terms[key] for key, one in own.terms.items()}
    raw = {key: share * one + (1 - share) * others.raw[key] for key, one in own.raw.items()}
    return Terms(terms, raw)


def require_mixable(net: Net, at: str, *, follows: bool) -> None:
    """Refuse to mix what a mean of two says nothing of.

    Args:
        net: what is trained.
        at: ``inputs`` or ``features``: what is mixed.
        follows: whether a teacher's features are learned or fed, too.

    Raises:
        UsageError: a task of words, places or objects, a teacher's features, or ids among inputs.
    """
    for task in net.tasks:
        if any(output.per != "row" for output in outputs_of(task).values()):
            raise UsageError(
                f"mixup: task {task.name} ({task.kind}) answers for parts of a row, and two rows do"
                " not have the same parts: leave mixup out"
            )
    if follows:
        raise UsageError(
            "mixup: a teacher's features are of rows, not of a mix of two: leave mixup out, or"
            " distill.features and distill.feed"
        )
    for spec in net.array_specs() if at == "inputs" else ():
        if spec.dtype not in {"uint8", "float32"}:
            raise UsageError(
                f"mixup: array {spec.name} of the inputs holds ids or flags, of which there is no"
                " mean: write at: features"
            )
