"""The nearer a task's student is to its teachers, the less it follows them.

How far a task has come is told by its leading metric, as dynamic task prioritization tells it (Guo
et al. 2018), not by its losses, whose sizes say nothing across tasks.  Teacher annealing (Clark et
al. 2019, 1907.04829) lets alpha fall with the steps; here a task whose student stays behind goes on
being taught.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from kd2edge.distill.schedule import Moment, Schedule
from kd2edge.metrics.kinds import goodness


@final
@dataclass(frozen=True, slots=True)
class Progress(Schedule):
    """``far + (near - far) * min(1, teachers' lack / student's lack)``, by the last validation.

    A lack is what a leading metric is short of a perfect one: one minus a share, or an error.  So a
    student that errs twice as often as its teachers stands half-way, in every metric and unit.

    Args:
        before: the first validation.
        far: of a student that lacks far more than its teachers.
        near: of one that lacks as much as they do, or less.
    """

    before: float
    far: float
    near: float
    kind: str = "progress"
    by_skill: ClassVar[bool] = True

    def at(self, moment: Moment) -> float:
        reached, theirs = moment.metric(), moment.lack()
        if reached is None or math.isnan(reached):
            return self.before
        spec = moment.items.spec
        ours = 1.0 - goodness(spec, spec.metric, reached)
        share = theirs / ours if ours > theirs else 1.0
        return (1 - share) * self.far + share * self.near
