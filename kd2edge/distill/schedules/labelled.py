"""Items that have a label keep it, and items that have none follow the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from kd2edge.distill.schedule import Moment
from kd2edge.distill.schedules.an_item import AnItem, between
from kd2edge.tasks.spec import Activation


@final
@dataclass(frozen=True, slots=True)
class Labelled(AnItem):
    """One alpha for items with a label and another for those without.

    Args:
        labelled: of items that have a label.
        unlabelled: of the others; they have the teacher's part alone, whose size this is.
    """

    labelled: float
    unlabelled: float
    kind: str = "labelled"
    activations: ClassVar[frozenset[Activation]] = frozenset({"softmax", "sigmoid", "none"})

    def at(self, moment: Moment) -> Tensor:
        has_label = moment.items.labelled().to(torch.float32)
        share = has_label.to(moment.items.device, non_blocking=True)
        return between(self.unlabelled, self.labelled, share)
