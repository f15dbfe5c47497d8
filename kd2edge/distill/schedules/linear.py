"""Evenly from one value to another.

Of alpha, from 1 to 0, that is teacher annealing (Clark et al. 2019, 1907.04829, section 3.3): the
student first follows its teachers and in the end the labels, so that it may surpass them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from kd2edge.distill.schedule import Moment, Schedule


@final
@dataclass(frozen=True, slots=True)
class Linear(Schedule):
    """From ``first`` at the first step to ``last`` at the last, as much at every step."""

    first: float
    last: float
    kind: str = "linear"

    def at(self, moment: Moment) -> float:
        gone = moment.time.gone
        return (1 - gone) * self.first + gone * self.last
