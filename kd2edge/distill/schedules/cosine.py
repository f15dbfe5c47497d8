"""From one value to another along half a cosine: slow at both ends, fast in between."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from kd2edge.distill.schedule import Moment, Schedule


@final
@dataclass(frozen=True, slots=True)
class Cosine(Schedule):
    """From ``first`` at the first step to ``last`` at the last."""

    first: float
    last: float
    kind: str = "cosine"

    def at(self, moment: Moment) -> float:
        left = (1 + math.cos(math.pi * moment.time.gone)) / 2
        return left * self.first + (1 - left) * self.last
