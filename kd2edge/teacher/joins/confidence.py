"""The surer a teacher is of an item, the more it weighs there.

A teacher of lower entropy has the larger share (Kwon, Na, Lee and Kim 2020, "Adaptive Knowledge
Distillation Based on Entropy", ICASSP).  Zhang, Chen and Wang (2022, 2201.00007) weigh by the cross
entropy with the label instead: that needs a label in every row, and would make a joint teacher that
reads the answers of the rows which it is measured on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from kd2edge.tasks.spec import Activation
from kd2edge.teacher.joins.join import Join, Several


@final
@dataclass(frozen=True, slots=True)
class Confidence(Join):
    """One minus the entropy as a share of the largest that there is, at temperature 1.

    Of a sigmoid the mean over labels of each one's yes and no: an item has one weight, so that what
    a teacher says of its labels together stays together.
    """

    kind: str = "confidence"
    activations: ClassVar[frozenset[Activation]] = frozenset({"softmax", "sigmoid"})

    def weights(self, several: Several) -> Tensor:
        if several.output.activation == "sigmoid":
            return (1 - _of_labels(several.logits)).clamp(min=0)
        return (1 - _of_classes(several.logits, several.output.channels)).clamp(min=0)


def _of_classes(logits: Tensor, channels: int) -> Tensor:
    """Entropy as a share of that of ``channels`` equal chances ``[..., channel]`` -> ``[...]``.

    Of classes that stand together the chance is taken for spread evenly: the most it can be.
    """
    if channels == 1:
        return torch.zeros_like(logits[..., 0])
    chances = logits.softmax(-1)
    entropy = torch.special.entr(chances).sum(-1)
    together = channels - logits.shape[-1] + 1
    return (entropy + chances[..., -1] * math.log(together)) / math.log(channels)


def _of_labels(logits: Tensor) -> Tensor:
    yes_and_no = torch.stack([logits.sigmoid(), (-logits).sigmoid()])
    return torch.special.entr(yes_and_no).sum(0).mean(-1) / math.log(2)
