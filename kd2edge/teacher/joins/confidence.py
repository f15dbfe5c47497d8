"""The surer a teacher is of an item, the more it weighs there.

A teacher of lower entropy has the larger share (Kwon, Na, Lee and Kim 2020, "Adaptive Knowledge
Distillation Based on Entropy", ICASSP).  Zhang, Chen and Wang (2022, 2201.00007) weigh by the cross
entropy with the label instead: that needs a label in every row, and would make a joint teacher that
reads the answers of the rows which it is measured on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from torch import Tensor

from kd2edge.tasks.spec import Activation
from kd2edge.teacher.doubt import doubt
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
        return 1 - doubt(several.logits, several.output)
