"""The better a teacher is on the validation rows, the more it weighs, in all items alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from kd2edge.teacher.joins.join import Join, Several


@final
@dataclass(frozen=True, slots=True)
class Skill(Join):
    """What a teacher lacks of a perfect one, to the power of ``-power``.

    With the root of the mean squared error for what it lacks and a power of 2 these are the weights
    of Bates and Granger (1969, "The Combination of Forecasts"), best where errors are unbiased and
    uncorrelated.

    Args:
        power: at 0 all weigh alike; the larger, the more the best one decides alone.
    """

    power: float
    kind: str = "skill"
    by_skill: ClassVar[bool] = True

    def weights(self, several: Several) -> Tensor:
        assert several.lacks is not None
        # In logarithms, so that no power is too much; doubles, so that tiny errors stay apart.
        log_lacks = torch.tensor(several.lacks, dtype=torch.float64).log()
        shares = (-self.power * log_lacks).softmax(0).to(several.logits)
        return shares.unsqueeze(-1).expand(several.logits.shape[:2])
