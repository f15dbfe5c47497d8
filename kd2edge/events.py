"""What long work tells while it runs: the command line draws it, the pipeline logs it.

A leaf without torch, so that whoever listens can ask an event for its class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # an event is drawn without NumPy
    from kd2edge.tasks.spec import TaskName


__all__ = [
    "BeginEvent",
    "EpochEvent",
    "Event",
    "Losses",
    "OnEvent",
    "OnProgress",
    "Progress",
    "ResumedEvent",
    "SavedEvent",
    "StageEvent",
    "StepEvent",
    "ignore",
]

#: task -> kind of loss (``task``, ``kd``, ``feature0`` ...) -> value; those on features have
#: the task "".
Losses: TypeAlias = "Mapping[TaskName, Mapping[str, float]]"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a step of the work has come.

    Args:
        what: a word for the step, such as ``encode`` or ``tasks``.
        done: items done.
        total: items of this step.
    """

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class StageEvent:
    """A stage of a run begins, or is skipped because it is done.

    Args:
        stage: ``rows``, ``teacher NAME``, ``cache NAME``, ``student``, ``baseline``, ``report``.
        detail: what it will do, in a few words.
        skipped: it was done before.
    """

    stage: str
    detail: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class StepEvent:
    """A step was taken.

    Args:
        step: steps taken so far, of ``steps``.
        epoch: the epoch in progress, counted from 1, of ``epochs``.
        losses: means over this epoch so far, neither weighted nor balanced.
        learning_rate: of this step.
        seconds: time spent training so far (earlier sessions included).
        seconds_left: estimate of what remains.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    losses: Losses
    learning_rate: float
    seconds: float
    seconds_left: float


@dataclass(frozen=True, slots=True)
class EpochEvent:
    """An epoch is finished.

    Args:
        epoch: counted from 1.
        losses: means over the epoch.
        validation: task -> its metric; empty when this epoch was not validated.
        best: whether this is the best epoch so far.
        peers: net that learns beside this one -> ``validation`` of it.
    """

    epoch: int
    epochs: int
    step: int
    losses: Losses
    validation: Mapping[TaskName, float]
    best: bool
    seconds: float
    seconds_left: float
    peers: Mapping[str, Mapping[TaskName, float]]


@dataclass(frozen=True, slots=True)
class BeginEvent:
    """A training begins, or goes on: ``rows`` of the split's ``of`` are used, so often."""

    rows: int
    of: int
    epochs: int
    steps: int


@dataclass(frozen=True, slots=True)
class SavedEvent:
    """A checkpoint was written."""

    step: int
    path: str


@dataclass(frozen=True, slots=True)
class ResumedEvent:
    """Training goes on from a checkpoint; ``note`` says what was adapted to it ("" for nothing)."""

    step: int
    path: str
    note: str


Event = BeginEvent | StageEvent | StepEvent | EpochEvent | SavedEvent | ResumedEvent | Progress
OnEvent = Callable[[Event], None]
OnProgress = Callable[[Progress], None]


def ignore(event: object) -> None:
    """An ``on_event`` that does nothing."""
    del event
