"""Which artefact to load: by evidence from a machine like this one, else by preference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.errors import BackendError, GateError, UsageError
from kd2edge.runtime.backends.table import missing
from kd2edge.runtime.engines import Engine
from kd2edge.runtime.known import Known


@dataclass(frozen=True, slots=True)
class Choice:
    """The artefact to load, why, and the engine that was built for it on a device."""

    artefact: Artefact
    why: str
    engine: Engine | None = None


def choose(manifest: Manifest, known: Known, *, asked: str | None, place: str) -> Choice:
    """The artefact to load.

    Args:
        manifest: the bundle's.
        known: what was measured of it on a machine like this one.
        asked: an artefact's id, or None to choose.
        place: the bundle, for messages.

    Raises:
        UsageError: ``asked`` is no artefact of this bundle.
        BackendError: ``asked`` cannot run here, or nothing can.
        GateError: everything that can run here has failed validation on a machine like this one.
    """
    artefact, why = (
        (_asked(manifest, known, asked, place), "asked for by its id")
        if asked is not None
        else _chosen(manifest, known, place)
    )
    return Choice(artefact, why, _engine(artefact, known))


def _engine(artefact: Artefact, known: Known) -> Engine | None:
    """What was built for it; evidence never stands in for the bytes that the manifest names."""
    return known.engines.get(artefact.id) if artefact.status == "needs_device" else None


def _asked(manifest: Manifest, known: Known, asked: str, place: str) -> Artefact:
    artefact = manifest.artefacts.get(asked)
    if artefact is None:
        has = ", ".join(manifest.artefacts) or "none"
        raise UsageError(f"{place} has no artefact {asked!r}; it has {has}")
    hindrance = _hindrance(artefact, known)
    if hindrance:
        raise BackendError(f"{asked} cannot run here: {hindrance}")
    return artefact


def _chosen(manifest: Manifest, known: Known, place: str) -> tuple[Artefact, str]:
    hindrances = {one.id: _hindrance(one, known) for one in _in_order(manifest)}
    runnable = [manifest.artefacts[name] for name, why_not in hindrances.items() if not why_not]
    if not runnable:
        reasons = "; ".join(f"{name}: {why_not}" for name, why_not in hindrances.items())
        raise BackendError(f"no artefact of {place} can run here: {reasons or 'it has none'}")
    passed = [one for one in runnable if known.verdicts.get(one.id) == "pass"]
    if passed:
        return _fastest(passed, known)
    left = [one for one in runnable if known.verdicts.get(one.id) != "fail"]
    if not left:
        raise GateError(
            f"{place}: {', '.join(one.id for one in runnable)} failed validation on a machine like"
            " this one and nothing else can run here; name one with artefact= to load it anyway"
        )
    return left[0], (
        "first of the manifest's preferred order that can run here;"
        " none passed validation on a machine like this one yet"
    )


def _in_order(manifest: Manifest) -> list[Artefact]:
    """Preferred ones first, then the rest by id."""
    rest = sorted(set(manifest.artefacts) - set(manifest.preferred))
    return [manifest.artefacts[name] for name in (*manifest.preferred, *rest)]


def _hindrance(artefact: Artefact, known: Known) -> str:
    """Why this artefact cannot run here, with what would help; "" when it can."""
    if artefact.status == "failed":
        return f"its export failed ({artefact.reason}); export the run again"
    reason = missing(artefact.target)
    if reason:
        return reason
    if artefact.status == "needs_device" and artefact.id not in known.engines:
        # No path: evidence keeps this sentence, and travels.
        command = "" if "kd2edge build" in artefact.reason else "; there run: kd2edge build BUNDLE"
        return f"it needs a device: {artefact.reason}{command}"
    return ""


def _fastest(passed: Sequence[Artefact], known: Known) -> tuple[Artefact, str]:
    """The fastest in the bench that timed most of them; without two to compare, the first."""
    here = "passed validation on a machine like this one"
    if len(passed) == 1:
        return passed[0], here
    timed = [[one for one in passed if one.id in times] for times in known.benches]
    most = max(map(len, timed), default=0)
    if most < 2:
        return passed[0], f"{here}, first of {len(passed)} in order; no bench compares their speed"
    at = next(index for index, some in enumerate(timed) if len(some) == most)
    times = known.benches[at]
    best = min(timed[at], key=lambda one: times[one.id])  # ties: preferred order
    if most == len(passed):
        return best, f"fastest of {most} that {here}"
    return best, f"fastest of {most} timed together, among {len(passed)} that {here}"
