"""Where a training is: what is counted from step to step, and kept in checkpoints as JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, final

from kd2edge.distill.explosion import Growth
from kd2edge.distill.meter import Meter
from kd2edge.distill.result import CurvePoint
from kd2edge.distill.settings import Explosion
from kd2edge.tasks.spec import TaskName


@final
@dataclass(slots=True)
class Cursor:
    """The position of a training; it changes with every step.

    Args:
        meter: losses of the epoch in progress, and how they grew in all of them.
        step: steps taken.
        epoch: epochs finished.
        batch: batches taken in the epoch in progress.
        curves: a point a finished epoch.
        best_epoch: epoch (from 1) of the best score, 0 when there is none yet.
        best_score: that score, the mean over tasks of how good their metrics are.
        earlier_seconds: of sessions before this one.
        finished: whether all steps were taken.
    """

    meter: Meter
    step: int = 0
    epoch: int = 0
    batch: int = 0
    curves: list[CurvePoint] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = -math.inf
    earlier_seconds: float = 0.0
    finished: bool = False
    _begin: float = field(default_factory=time.monotonic)
    _first_step: int = 0

    @property
    def seconds(self) -> float:
        """Time spent training, earlier sessions included."""
        return self.earlier_seconds + time.monotonic() - self._begin

    def seconds_left(self, steps: int) -> float:
        """Estimate of the time to ``steps``, from the speed of this session."""
        taken = self.step - self._first_step
        return (time.monotonic() - self._begin) / taken * (steps - self.step) if taken else 0.0

    def end_epoch(
        self,
        validation: Mapping[TaskName, float],
        score: float,
        peers: Mapping[str, Mapping[TaskName, float]],
    ) -> bool:
        """Note a finished epoch and how good it is; whether it is the best so far.

        Args:
            validation: task -> its metric; empty when the epoch was not validated.
            score: of the student.
            peers: name -> the same of each peer.
        """
        self.epoch += 1
        self.batch = 0
        means, values = self.meter.means(), self.meter.values()
        self.curves.append(
            CurvePoint(
                self.step, self.epoch, self.seconds, means, dict(validation), values, dict(peers)
            )
        )
        self.meter = Meter(self.meter.growth)
        best = score > self.best_score
        if best:
            self.best_epoch, self.best_score = self.epoch, score
        return best

    def last_validation(self, peer: str = "") -> Mapping[TaskName, float]:
        """Each task's metric of a peer, or the student, when last looked at; nothing before."""
        points = reversed(self.curves)
        found = (point.peers.get(peer, {}) if peer else point.validation for point in points)
        return next(filter(None, found), {})

    def to_json(self) -> dict[str, Any]:
        """JSON values that :func:`cursor_from_json` takes."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "batch": self.batch,
            "meter": self.meter.sums(),
            "growth": self.meter.growth.to_json(),
            "curves": [asdict(point) for point in self.curves],
            "best_epoch": self.best_epoch,
            # JSON has no infinity.
            "best_score": self.best_score if self.best_epoch else None,
            "earlier_seconds": self.seconds,
            "finished": self.finished,
        }


def cursor_from_json(state: Mapping[str, Any], explosion: Explosion | None) -> Cursor:
    """The cursor of a checkpoint.

    Args:
        state: of it.
        explosion: when a loss has exploded; None: it never does.
    """
    growth = Growth(explosion, state["growth"])
    cursor = Cursor(
        **{
            name: state[name]
            for name in ("step", "epoch", "batch", "best_epoch", "earlier_seconds")
        },
        meter=Meter(
            growth,
            [(task, kind, peer, total, count) for task, kind, peer, total, count in state["meter"]],
        ),
        curves=[CurvePoint(**point) for point in state["curves"]],
        finished=state["finished"],
    )
    if state["best_score"] is not None:
        cursor.best_score = state["best_score"]
    cursor._first_step = cursor.step
    return cursor
