"""The surer the teacher is of an item, the more the student follows it there.

Weights by a teacher's confidence or entropy are those of Kwon et al. (2020, "Adaptive Knowledge
Distillation Based on Entropy") for several teachers; here teacher and label are weighed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from kd2edge.distill.schedule import Moment
from kd2edge.distill.schedules.an_item import AnItem, between
from kd2edge.tasks.spec import Activation
from kd2edge.teacher.doubt import doubt


@final
@dataclass(frozen=True, slots=True)
class Confidence(AnItem):
    """From ``low``, for an item of which the teacher knows nothing, to ``high``, where it is sure.

    Args:
        low: of items whose labels are all as likely to the teacher, and of those it did not see.
        high: of items that it has no doubt of.
        by: what tells how sure it is: its largest probability, or its entropy.
    """

    low: float
    high: float
    by: Literal["probability", "entropy"]
    kind: str = "confidence"

    def at(self, moment: Moment) -> Tensor:
        said = moment.teacher()
        assert said is not None
        output = moment.items.output
        if self.by == "entropy":
            sure = 1 - doubt(said.logits, output)
        else:
            sure = sure_by_probability(
                said.logits, output.activation, output.channels, cut=said.classes is not None
            )
        seen = said.seen.to(sure.device, non_blocking=True)
        return between(self.low, self.high, sure * seen)


def sure_by_probability(
    logits: Tensor, activation: Activation, channels: int, *, cut: bool
) -> Tensor:
    """The largest probability, scaled to be 0 where all are equal and 1 at most: ``[item]``.

    Of a softmax over C classes (C max p - 1) / (C - 1); of a sigmoid the same of each label's yes
    and no, 2 max(p, 1 - p) - 1, and the mean over labels.

    Args:
        logits: ``[item, channel]``.
        activation: what the logits become.
        channels: C, of the task.
        cut: whether the last logit is of all other classes together, and so no class.
    """
    if activation == "sigmoid":
        return (logits / 2).tanh().abs().mean(-1)
    if channels == 1:
        return torch.ones_like(logits[:, 0])
    likeliest = logits.softmax(-1)[:, : -1 if cut else None].amax(-1)
    return ((channels * likeliest - 1) / (channels - 1)).clamp(0, 1)
