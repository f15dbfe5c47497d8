"""What the evidence about a bundle says about a machine like this one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kd2edge.bundle.evidence import Evidence, in_order, read_evidence
from kd2edge.bundle.judged_again import judged
from kd2edge.bundle.machine import Machine, machine
from kd2edge.bundle.manifest import Manifest
from kd2edge.bundle.store import Bundle
from kd2edge.errors import IntegrityError
from kd2edge.inputs.absent import left_out
from kd2edge.metrics.kinds import SCALES
from kd2edge.runtime.built import BuiltEngine
from kd2edge.verdict import Word


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one artefact.

    Args:
        word: ``pass``, ``fail`` or ``undecided``, by the manifest's own measures.
        threads: the numbers of threads that it was judged so with, one after the other.
        reason: why it is no pass.
        options: engine, provider and settings that it was judged with, as ``Session.options``;
            empty where evidence does not say.
    """

    word: Word
    threads: frozenset[int] = frozenset()
    reason: str = ""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Time:
    """Milliseconds (p50) of one artefact at one number of threads and one batch size."""

    artefact: str
    threads: int
    batch: int
    p50: float


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the artefacts.

    Args:
        verdicts: by id, of the newest validation that shows something of it.
        benches: the times of each bench, the newest first: only what was timed in turns can be
            compared.
        engines: the newest engine that was built for it and is still there.
        notes: what evidence does not count, and why.
    """

    verdicts: Mapping[str, Verdict]
    benches: Sequence[Sequence[Time]]
    engines: Mapping[str, BuiltEngine]
    notes: tuple[str, ...] = ()


NOTHING = Known({}, (), {})


def known_here(bundle: Bundle, folder: Path | None = None) -> Known:
    """What the evidence of a bundle, and of a folder beside it, says about this machine.

    Raises:
        IntegrityError: damaged evidence.
    """
    evidence = evidence_about(bundle, folder or bundle.path)
    return known_of(evidence, bundle.manifest, machine(), str(bundle.path))


def evidence_about(bundle: Bundle, folder: Path) -> list[Evidence]:
    """The bundle's own evidence and that of ``folder`` (which may be the bundle), oldest first."""
    return in_order(
        read_evidence(place, manifest_sha=bundle.identity)
        for place in dict.fromkeys((bundle.path, folder))
    )


def known_of(
    evidence: Sequence[Evidence],
    manifest: Manifest,
    here: Machine,
    place: str,
    now: datetime | None = None,
) -> Known:
    """Read evidence, oldest first; that of other machines counts for nothing.

    Verdicts are judged again, from the bounds that stand beside them and by the manifest's budget
    and confidence.  An entry that contradicts itself shows nothing, nor does one without a checksum
    or with a time in the future; what was built is known by its bytes' own hash.

    Args:
        evidence: all of it that is about the bundle, as ``evidence_about`` gives it.
        manifest: the bundle's.
        here: this machine.
        place: the bundle, for messages.
        now: the time; None: of this machine.

    Raises:
        IntegrityError: evidence that is not built as kd2edge writes it.
    """
    alike = [one for one in evidence if one.machine.id == here.id]
    try:
        notes: list[str] = []
        counted = _counted(alike, now or datetime.now(timezone.utc), notes)
        verdicts = _verdicts(counted, manifest, notes)
        return Known(verdicts, _benches(counted), _engines(alike), tuple(notes))
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise IntegrityError(
            f"{place}: evidence that cannot be read ({error!r}); move away what is in"
            f" {', '.join(sorted({str(one.folder) for one in alike}))} and run kd2edge validate"
        ) from error


def _counted(evidence: Sequence[Evidence], now: datetime, notes: list[str]) -> list[Evidence]:
    """What may count; of the rest a note, one a kind and reason."""
    kept: list[Evidence] = []
    odd: dict[tuple[str, str], None] = {}
    for one in evidence:
        if not one.checked:
            odd[one.kind, "has no checksum (of an older kd2edge)"] = None
        elif one.is_ahead(now):
            odd[one.kind, f"is of {one.time}, which is in the future"] = None
        else:
            kept.append(one)
    notes += [f"{kind} evidence that {why} is not counted" for kind, why in odd if kind != "build"]
    return kept


def _verdicts(
    evidence: Sequence[Evidence], manifest: Manifest, notes: list[str]
) -> dict[str, Verdict]:
    budget = {str(task): 0.0 for task in manifest.tasks} | dict(manifest.gate.max_drop)
    verdicts: dict[str, Verdict] = {}
    said: dict[str, str] = {}
    for one in evidence:
        if one.kind != "validation":
            continue
        threads = frozenset(_threads(one.payload))
        before = {name: verdict.word for name, verdict in verdicts.items()}
        artefacts: Mapping[str, Any] = one.payload["artefacts"]
        for name in artefacts.keys() & manifest.artefacts.keys():
            found = judged(
                one.payload,
                name,
                max_drop=budget,
                confidence=manifest.gate.confidence,
                max_drop_class=manifest.gate.max_drop_class,
                stand_ins=before,
                leading={str(task): spec.metric for task, spec in manifest.tasks.items()},
                scales=SCALES,
                without=left_out(manifest.inputs),
            )
            said.pop(name, None)
            if found.verdict != "not_run":  # says nothing against an earlier verdict
                old = verdicts.get(name)
                more = old.threads if old is not None and old.word == found.verdict else frozenset()
                options = dict(artefacts[name].get("options", {}))
                verdicts[name] = Verdict(found.verdict, threads | more, found.reason, options)
            elif found.contradiction:
                said[name] = f"evidence of {one.time} contradicts itself: {found.contradiction}"
            elif found.is_trial:
                said[name] = f"evidence of {one.time} was a trial: {found.reason}"
    notes += [f"{name}: {said[name]}" for name in sorted(said)]
    return verdicts


def _threads(payload: Mapping[str, Any]) -> list[int]:
    counts: list[int] = payload.get("threads", [])
    if not all(type(one) is int and one > 0 for one in counts):
        raise ValueError(f"no numbers of threads: {counts!r:.60}")
    return counts


def _benches(evidence: Sequence[Evidence]) -> list[list[Time]]:
    found = [_times(one.payload["timings"]) for one in evidence if one.kind == "bench"]
    return [times for times in reversed(found) if times]


def _times(timings: Sequence[Mapping[str, Any]]) -> list[Time]:
    """Raw input to answer, where that was timed: what a caller waits for; else the graph alone."""
    found: list[Time] = []
    for one in timings:
        part: Mapping[str, Any] = one.get("answer") or one
        time = Time(str(one["artefact"]), int(one["threads"]), int(one["batch"]), part["p50_ms"])
        if not 0 < time.p50 < math.inf or min(time.threads, time.batch) < 1:  # NaN, too
            raise ValueError(f"a time that cannot be: {time!r}")
        found.append(time)
    return found


def _engines(evidence: Sequence[Evidence]) -> dict[str, BuiltEngine]:
    found: dict[str, BuiltEngine] = {}
    for one in evidence:
        if one.kind != "build":
            continue
        made = one.payload
        engine = BuiltEngine(
            one.folder, str(made["engine"]), str(made["sha256"]), int(made["bytes"])
        )
        if (engine.folder / engine.path).is_file():  # evidence travels, an engine may stay behind
            found[made["artefact"]] = engine
    return found
