"""From what the levels found of a bundle's artefacts to their results, doubts included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kd2edge.bundle.store import Bundle
from kd2edge.validate.gate import failed_checks
from kd2edge.validate.judge import Found, fairly_drawn
from kd2edge.validate.levels import Levels, result_of
from kd2edge.validate.record import Record
from kd2edge.validate.standing import FALLBACK, as_reported, stands_for, unstored
from kd2edge.validate.validation import ArtefactResult

__all__ = ["Ground", "weighed"]


@dataclass(frozen=True, slots=True)
class Ground:
    """What a bundle's results rest on beside the rows.

    Args:
        bundle: the bundle.
        home: where its evidence is.
        split: the split's name.
        from_run: the rows are the run's own.
        record: what the report says; None: the bundle does not carry it.
        doubt: why nothing can pass; "" when nothing stands against it.
    """

    bundle: Bundle
    home: Path
    split: str
    from_run: bool
    record: Record | None
    doubt: str


def weighed(
    found: Found, ground: Ground, refused: ArtefactResult | None
) -> dict[str, ArtefactResult]:
    """Artefact -> its result.

    Args:
        found: what the levels found.
        ground: what else it rests on.
        refused: the result of the stand-in where it did not load.
    """
    levels, doubt = _weighed(found, ground, "")
    for lacked, part in found.without.items():
        own, other = _weighed(part, ground, lacked)
        levels = {name: one.lacking(lacked, own[name]) for name, one in levels.items()}
        doubt = doubt or other
    doubt = doubt or ground.doubt
    results = {name: result_of(one, doubt) for name, one in levels.items()}
    unstored = [
        one.references for one in (found, *found.without.values()) if one.references.get(FALLBACK)
    ]
    if doubt or not unstored:
        return results
    doubt = _unstored(unstored[0], results.get(FALLBACK, refused), ground)
    # What was held against the stand-in passes no sooner than it does.
    return {
        name: result_of(levels[name], doubt) if name != FALLBACK or ground.from_run else one
        for name, one in results.items()
    }


def _weighed(found: Found, ground: Ground, lacked: str) -> tuple[dict[str, Levels], str]:
    """The levels, passes that show nothing taken back, and why what was found shows nothing.

    Args:
        found: on all rows, or on those without an input.
        ground: what else it rests on.
        lacked: the input; "": all rows.
    """
    stood, doubt = found, ""
    if found.stand_in is not None:
        said = None if ground.record is None else ground.record.metrics(ground.split, lacked)
        levels = {
            name: replace(one, tasks=as_reported(one.tasks, said))
            for name, one in found.levels.items()
        }
        stood, doubt = replace(found, levels=levels), _doubt(found.stand_in)
    return dict(stood.levels) if ground.from_run else fairly_drawn(stood), doubt


def _doubt(stand_in: Levels) -> str:
    """Why what was held against the stand-in shows nothing; "" when it does show something."""
    faults = [*failed_checks(stand_in.graph), *stand_in.failures, *stand_in.number_faults()]
    return f"its reference {FALLBACK} fails itself: {'; '.join(faults)}" if faults else ""


def _unstored(references: Mapping[str, int], own: ArtefactResult | None, ground: Ground) -> str:
    """Why rows without a stored output show nothing; "" when their stand-in passed itself."""
    missing, rows = references[FALLBACK], sum(references.values())
    if ground.from_run:
        return unstored(ground.split, missing, rows)
    verdict = "not_run" if own is None else own.verdict
    return stands_for(ground.bundle, ground.home, verdict, missing, rows)
