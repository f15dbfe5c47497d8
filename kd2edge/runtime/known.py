"""What the evidence in a bundle says about a machine like this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kd2edge.bundle.evidence import Evidence
from kd2edge.bundle.machine import Machine
from kd2edge.errors import IntegrityError
from kd2edge.runtime.engines import Engine


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of each artefact, by id.

    Args:
        verdicts: ``pass``, ``fail``, ``undecided`` or ``not_run`` of the newest validation.
        times: milliseconds of the smallest benched batch (p50), from the newest bench.
        engines: the newest engine that was built for it.
    """

    verdicts: Mapping[str, str]
    times: Mapping[str, float]
    engines: Mapping[str, Engine]


def known_of(evidence: Sequence[Evidence], here: Machine, threads: int, place: str) -> Known:
    """Read evidence, oldest first; that of other machines counts for nothing.

    Args:
        evidence: all of it that is about the bundle, as ``read_evidence`` gives it.
        here: this machine.
        threads: the threads of a forward pass: times with as many are taken where there are some.
        place: the bundle, for messages.

    Raises:
        IntegrityError: evidence that is not built as kd2edge writes it.
    """
    alike = [one for one in evidence if one.machine.id == here.id]
    try:
        return Known(_verdicts(alike), _times(alike, threads), _engines(alike))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(
            f"{place}: evidence in reports/ that cannot be read ({error!r});"
            " move that folder away and run kd2edge validate"
        ) from error


def _payloads(evidence: Sequence[Evidence], kind: str) -> list[Mapping[str, Any]]:
    return [one.payload for one in evidence if one.kind == kind]


def _verdicts(evidence: Sequence[Evidence]) -> dict[str, str]:
    return {
        str(name): str(found["verdict"])
        for payload in _payloads(evidence, "validation")
        for name, found in payload["artefacts"].items()
        if found["verdict"] != "not_run"  # says nothing against an earlier verdict
    }


def _times(evidence: Sequence[Evidence], threads: int) -> dict[str, float]:
    benches = _payloads(evidence, "bench")
    timings: list[Mapping[str, Any]] = benches[-1]["timings"] if benches else []
    if not timings:
        return {}
    counts = {one["threads"] for one in timings}
    count = threads if threads in counts else min(counts)
    same = [one for one in timings if one["threads"] == count]
    batch = min(one["batch"] for one in same)
    return {one["artefact"]: float(one["p50_ms"]) for one in same if one["batch"] == batch}


def _engines(evidence: Sequence[Evidence]) -> dict[str, Engine]:
    return {
        one["artefact"]: Engine(str(one["engine"]), str(one["sha256"]), int(one["bytes"]))
        for one in _payloads(evidence, "build")
    }
