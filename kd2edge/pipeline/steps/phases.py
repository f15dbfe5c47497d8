"""Where the phases of a run's student are kept, and what they came to together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kd2edge.pipeline.reading.phases import phases_of
from kd2edge.pipeline.steps.training import NetRecord
from kd2edge.pipeline.steps.work import Work

__all__ = ["PhasePlace", "joined_record", "phase_places"]


@dataclass(frozen=True, slots=True)
class PhasePlace:
    """Where a phase is kept: the stem of its net, and the folder of its checkpoints."""

    stem: Path
    checkpoints: Path


def phase_places(work: Work) -> list[PhasePlace]:
    """Where each phase of the student is kept, in their order: the last one is the student."""
    run = work.run
    *earlier, _ = phases_of(work.recipe)
    found = [
        PhasePlace(run.phases / phase.name, run.checkpoints_of(f"phase-{phase.name}"))
        for phase in earlier
    ]
    return [*found, PhasePlace(run.student, run.checkpoints_of(run.student.name))]


def joined_record(phases: Mapping[str, NetRecord]) -> NetRecord:
    """The student's record over all its phases: steps, seconds and epochs are counted through.

    Args:
        phases: name -> record, in their order; of one alone that record.
    """
    *_, last = phases.values()
    if len(phases) == 1:
        return last
    first = next(iter(phases.values()))
    steps, epochs, seconds = 0, 0, 0.0
    curve: list[Mapping[str, Any]] = []
    for name, record in phases.items():
        for point in record.curve:
            so_far = {
                "step": steps + point["step"],
                "epoch": epochs + point["epoch"],
                "seconds": seconds + point["seconds"],
            }
            curve.append({**point, **so_far, "phase": name})
        steps, seconds = steps + record.steps, seconds + record.train_seconds
        epochs += record.last_epoch
    before = epochs - last.last_epoch
    return replace(
        last,
        steps=steps,
        train_seconds=seconds,
        best_epoch=before + last.best_epoch if last.best_epoch else 0,
        last_epoch=epochs,
        curve=tuple(curve),
        start=first.start,
    )
