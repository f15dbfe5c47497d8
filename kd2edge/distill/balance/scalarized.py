"""Losses that become one by a formula of TorchJD's which remembers nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.distill.balance.balancer import Balancer, LossKey, Shared, parts_of
from kd2edge.distill.balance.torchjd import imported
from kd2edge.tasks.spec import TaskName

#: Name in recipes -> the library's class in ``torchjd.scalarization``.
SCALARIZERS: MappingProxyType[str, str] = MappingProxyType(
    {"geometric": "GeometricMean", "random": "Random"}
)
#: Losses of 0 count as this: the logarithm's slope there is infinite.
_LEAST = 1e-8


@final
class Scalarized(Balancer):
    """The tasks of a batch by a formula; losses on features keep their fixed weight beside it.

    Random weights are drawn from torch's generator, whose state checkpoints keep.

    Args:
        method: a name in :data:`SCALARIZERS`.
        tasks: the student's tasks.
    """

    def __init__(self, method: str, tasks: Sequence[TaskName]) -> None:
        super().__init__()
        del tasks
        module = imported(method, "torchjd.scalarization", "train")
        self.formula: nn.Module = getattr(module, SCALARIZERS[method])()

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        del shared
        parts = parts_of(terms)
        weighted = (
            self.formula(torch.stack(parts.losses).clamp(min=_LEAST)) if parts.tasks else None
        )
        total = parts.total(weighted)
        total.backward()
        return total.detach()
