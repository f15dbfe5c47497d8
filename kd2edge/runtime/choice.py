"""Which artefact to load: by evidence from a machine like this one, else by preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kd2edge.bundle.evidence import Evidence
from kd2edge.bundle.machine import Machine
from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.errors import BackendError, GateError, UsageError
from kd2edge.runtime.backends.table import missing
from kd2edge.runtime.engines import Engine, engine_of


@dataclass(frozen=True, slots=True)
class Choice:
    """The artefact to load, why, and the engine that was built for it on a device."""

    artefact: Artefact
    why: str
    engine: Engine | None = None


def choose(
    manifest: Manifest,
    evidence: Sequence[Evidence],
    here: Machine,
    *,
    asked: str | None,
    place: str,
    threads: int | None = None,
) -> Choice:
    """The artefact to load.

    Args:
        manifest: the bundle's.
        evidence: everything that was measured of this manifest, on any machine; oldest first.
        here: this machine.
        asked: an artefact's id, or None to choose.
        place: the bundle, for messages.
        threads: the threads that will be asked for: bench results with as many count first.

    Raises:
        UsageError: ``asked`` is in no way an artefact of this bundle.
        BackendError: ``asked`` cannot run here, or nothing can.
        GateError: everything that can run here has failed validation on a machine like this one.
    """
    if asked is not None:
        return _asked(manifest, evidence, here, asked, place)
    runnable = [one for one in _in_order(manifest) if not _hindrance(one, evidence, here, place)]
    if not runnable:
        raise BackendError(_nothing_runs(manifest, evidence, here, place))
    alike = [one for one in evidence if one.machine.id == here.id]
    verdicts = _verdicts(alike)
    passed = [one for one in runnable if verdicts.get(one.id) == "pass"]
    if passed:
        return _fastest(passed, alike, evidence, here, threads)
    left = [one for one in runnable if verdicts.get(one.id) != "fail"]
    if not left:
        raise GateError(
            f"{place}: {', '.join(one.id for one in runnable)} failed validation on a machine like"
            " this one and nothing else can run here; name one with artefact= to load it anyway"
        )
    why = (
        "first of the manifest's preferred order that can run here;"
        " none passed validation on a machine like this one yet"
    )
    return Choice(left[0], why, engine_of(left[0].id, evidence, here))


def _asked(
    manifest: Manifest, evidence: Sequence[Evidence], here: Machine, asked: str, place: str
) -> Choice:
    artefact = manifest.artefacts.get(asked)
    if artefact is None:
        raise UsageError(
            f"{place} has no artefact {asked!r}; it has {', '.join(manifest.artefacts)}"
        )
    hindrance = _hindrance(artefact, evidence, here, place)
    if hindrance:
        raise BackendError(f"{asked} cannot run here: {hindrance}")
    return Choice(artefact, "asked for by its id", engine_of(asked, evidence, here))


def _in_order(manifest: Manifest) -> list[Artefact]:
    """Preferred ones first, then the rest by id."""
    rest = sorted(set(manifest.artefacts) - set(manifest.preferred))
    return [manifest.artefacts[name] for name in (*manifest.preferred, *rest)]


def _hindrance(artefact: Artefact, evidence: Sequence[Evidence], here: Machine, place: str) -> str:
    """Why this artefact cannot run here, with what would help; "" when it can."""
    if artefact.status == "failed":
        return f"its export failed ({artefact.reason}); export the run again"
    reason = missing(artefact.target)
    if reason:
        return reason
    if artefact.status == "needs_device" and engine_of(artefact.id, evidence, here) is None:
        return f"it needs a device ({artefact.reason}); on that device run: kd2edge build {place}"
    return ""


def _nothing_runs(
    manifest: Manifest, evidence: Sequence[Evidence], here: Machine, place: str
) -> str:
    reasons = [f"{one.id}: {_hindrance(one, evidence, here, place)}" for one in _in_order(manifest)]
    return f"no artefact of {place} can run here: " + "; ".join(reasons or ["it has none"])


def _verdicts(evidence: Sequence[Evidence]) -> dict[str, str]:
    """Artefact -> its newest verdict."""
    verdicts: dict[str, str] = {}
    for one in evidence:
        if one.kind == "validation":
            for name, result in one.payload["artefacts"].items():
                verdicts[name] = str(result["verdict"])
    return verdicts


def _fastest(
    passed: Sequence[Artefact],
    alike: Sequence[Evidence],
    evidence: Sequence[Evidence],
    here: Machine,
    threads: int | None,
) -> Choice:
    times = _times(alike, threads)
    best = min(passed, key=lambda one: times.get(one.id, float("inf")))  # ties: preferred order
    why = "passed validation on a machine like this one"
    if best.id in times:
        why = f"fastest of {len(passed)} that passed validation on a machine like this one"
    return Choice(best, why, engine_of(best.id, evidence, here))


def _times(evidence: Sequence[Evidence], threads: int | None) -> dict[str, float]:
    """Artefact -> milliseconds of its smallest benched batch, from the newest bench."""
    benches = [one for one in evidence if one.kind == "bench"]
    if not benches:
        return {}
    timings: list[Mapping[str, Any]] = benches[-1].payload["timings"]
    same = [one for one in timings if one["threads"] == threads] or timings
    batch = min((one["batch"] for one in same), default=0)
    return {one["artefact"]: one["p50_ms"] for one in same if one["batch"] == batch}
