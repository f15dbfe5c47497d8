"""What a training gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kd2edge.events import Losses
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The state after an epoch, as ``report.json`` keeps it.

    Args:
        step: steps taken so far.
        epoch: counted from 1.
        seconds: of training so far, earlier sessions included.
        train: task -> kind of loss -> mean over the epoch, neither weighted nor balanced.
        validation: task -> its metric; empty when the epoch was not validated.
        values: task -> alpha, temperature or weight, where a schedule gave it -> mean over the
            epoch.
        peers: net that learned beside this one -> ``validation`` of it.
    """

    step: int
    epoch: int
    seconds: float
    train: Losses
    validation: Mapping[TaskName, float] = field(default_factory=dict)
    values: Losses = field(default_factory=dict)
    peers: Mapping[str, Mapping[TaskName, float]] = field(
        default_factory=dict[str, "Mapping[TaskName, float]"]
    )


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What was trained.  The net itself holds the kept weights, in evaluation mode.

    Args:
        kept_epoch: the epoch whose weights the net holds (from 1).
        best_epoch: the epoch of the best mean metric; 0 when none was validated.
        last_epoch: the last one.
        steps: steps taken.
        rows: rows that an epoch has.
        seconds: of training, earlier sessions included.
        validation: task -> metric of the kept epoch; empty when it was not validated.
        curves: a point an epoch.
    """

    kept_epoch: int
    best_epoch: int
    last_epoch: int
    steps: int
    rows: int
    seconds: float
    validation: Mapping[TaskName, float]
    curves: tuple[CurvePoint, ...]
