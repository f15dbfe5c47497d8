"""What the evidence about a bundle says about a machine like this one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kd2edge.bundle.evidence import Evidence, read_evidence
from kd2edge.bundle.machine import Machine
from kd2edge.bundle.store import Bundle
from kd2edge.errors import IntegrityError
from kd2edge.runtime.engines import Engine


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of each artefact, by id.

    Args:
        verdicts: ``pass``, ``fail`` or ``undecided`` of the newest validation that ran it.
        benches: milliseconds of the smallest benched batch (p50), one mapping a bench: only what
            was timed in turns can be compared.  Those to go by stand first: with as many threads
            as asked for, then the newest.
        engines: the newest engine that was built for it and is still there.
    """

    verdicts: Mapping[str, str]
    benches: Sequence[Mapping[str, float]]
    engines: Mapping[str, Engine]


def evidence_about(bundle: Bundle, folder: Path) -> list[Evidence]:
    """The bundle's own evidence and that of ``folder`` (which may be the bundle), oldest first."""
    found = [
        one
        for place in dict.fromkeys((bundle.path, folder))
        for one in read_evidence(place, manifest_sha=bundle.identity)
    ]
    return sorted(found, key=lambda one: one.time)


def known_of(evidence: Sequence[Evidence], here: Machine, threads: int, place: str) -> Known:
    """Read evidence, oldest first; that of other machines counts for nothing.

    Args:
        evidence: all of it that is about the bundle, as ``evidence_about`` gives it.
        here: this machine.
        threads: the threads of a forward pass: times with as many are taken where there are some.
        place: the bundle, for messages.

    Raises:
        IntegrityError: evidence that is not built as kd2edge writes it.
    """
    alike = [one for one in evidence if one.machine.id == here.id]
    try:
        return Known(_verdicts(alike), _benches(alike, threads), _engines(alike))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise IntegrityError(
            f"{place}: evidence that cannot be read ({error!r}); move away what is in"
            f" {', '.join(sorted({str(one.folder) for one in alike}))} and run kd2edge validate"
        ) from error


def _payloads(evidence: Sequence[Evidence], kind: str) -> list[Mapping[str, Any]]:
    return [one.payload for one in evidence if one.kind == kind]


def _verdicts(evidence: Sequence[Evidence]) -> dict[str, str]:
    verdicts: dict[str, str] = {}
    for payload in _payloads(evidence, "validation"):
        for name, found in payload["artefacts"].items():
            verdict = _verdict(found)
            if verdict != "not_run":  # says nothing against an earlier verdict
                verdicts[str(name)] = verdict
    return verdicts


def _verdict(found: Mapping[str, Any]) -> str:
    """An artefact's verdict, as far as it follows from what stands beside it."""
    verdict, tasks = found["verdict"], found.get("tasks", {})
    if verdict not in {"pass", "fail", "undecided", "not_run"}:
        raise ValueError(f"no verdict: {verdict!r}")
    odd = [task for task, part in tasks.items() if part["verdict"] != "pass"]
    if verdict == "pass" and odd:
        raise ValueError(f"a pass in which {', '.join(odd)} did not pass")
    return verdict


def _benches(evidence: Sequence[Evidence], threads: int) -> list[dict[str, float]]:
    as_asked: list[dict[str, float]] = []
    others: list[dict[str, float]] = []
    for payload in reversed(_payloads(evidence, "bench")):
        timings: list[Mapping[str, Any]] = payload["timings"]
        if not timings:
            continue
        counts = {one["threads"] for one in timings}
        times = _times(timings, threads if threads in counts else min(counts))
        (as_asked if threads in counts else others).append(times)
    return as_asked + others


def _times(timings: Sequence[Mapping[str, Any]], threads: int) -> dict[str, float]:
    same = [one for one in timings if one["threads"] == threads]
    batch = min(one["batch"] for one in same)
    times = {one["artefact"]: float(one["p50_ms"]) for one in same if one["batch"] == batch}
    if not all(0 < time < math.inf for time in times.values()):  # NaN, too
        raise ValueError("a time that cannot be")
    return times


def _engines(evidence: Sequence[Evidence]) -> dict[str, Engine]:
    found: dict[str, Engine] = {}
    for one in evidence:
        if one.kind != "build":
            continue
        made = one.payload
        engine = Engine(one.folder, str(made["engine"]), str(made["sha256"]), int(made["bytes"]))
        if (engine.folder / engine.path).is_file():  # evidence travels, an engine may stay behind
            found[made["artefact"]] = engine
    return found
