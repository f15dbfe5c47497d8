"""Which artefact to load, and with how many threads: by evidence, else by preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, GateError, UsageError
from kd2edge.runtime.backends.table import backend, missing
from kd2edge.runtime.built import BuiltEngine
from kd2edge.runtime.known import Known, Time
from kd2edge.runtime.threads import default_threads

_HERE = "passed validation on a machine like this one"

#: An artefact's id and a number of threads.
Pair = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller says: an artefact's id, threads (None: choose), and rows of a forward pass."""

    artefact: str | None = None
    threads: int | None = None
    batch: int = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """The artefact to load, its threads, why, and the engine that was built for it on a device.

    ``judged_with`` are the engine's options for which the pass counts that it was chosen by.
    """

    artefact: Artefact
    threads: int
    why: str
    engine: BuiltEngine | None = None
    judged_with: Mapping[str, Any] = field(default_factory=dict[str, Any])


def choose(manifest: Manifest, known: Known, wish: Wish, *, place: str) -> Choice:
    """The artefact to load, and its number of threads.

    Args:
        manifest: the bundle's.
        known: what was measured of it on a machine like this one.
        wish: what the caller says.
        place: the bundle, for messages.

    Raises:
        UsageError: an artefact is asked for that this bundle has not.
        BackendError: what is asked for cannot run here, or nothing can.
        GateError: everything that can run here has failed validation on a machine like this one.
    """
    if wish.artefact is not None:
        artefact = _asked(manifest, known, wish.artefact, place)
        threads, why = _usual(wish), "asked for by its id"
    else:
        artefact, threads, why = _chosen(manifest, known, wish, place)
        why = "; ".join((why, *known.notes))
    verdict = known.verdicts.get(artefact.id)
    judged_with = verdict.options if verdict is not None and verdict.word == "pass" else {}
    return Choice(artefact, threads, why, _engine(artefact, known), judged_with)


def _engine(artefact: Artefact, known: Known) -> BuiltEngine | None:
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


def _chosen(manifest: Manifest, known: Known, wish: Wish, place: str) -> tuple[Artefact, int, str]:
    hindrances = {one.id: _hindrance(one, known) for one in _in_order(manifest)}
    runnable = [manifest.artefacts[name] for name, why_not in hindrances.items() if not why_not]
    if not runnable:
        reasons = "; ".join(f"{name}: {why_not}" for name, why_not in hindrances.items())
        raise BackendError(f"no artefact of {place} can run here: {reasons or 'it has none'}")
    words = {name: verdict.word for name, verdict in known.verdicts.items()}
    passed = [one for one in runnable if words.get(one.id) == "pass"]
    pairs = {pair: one for one in passed for pair in _pairs(one, known, wish)}
    if pairs:
        # What takes other threads than it is told has no time at as many as that.
        timed = [pair for pair, one in pairs.items() if _own_threads(one) in (None, pair[1])]
        (name, threads), why = _fastest(list(pairs), timed, known, wish)
        return manifest.artefacts[name], threads, why
    left = [one for one in runnable if words.get(one.id) != "fail"]
    if not left:
        raise GateError(
            f"{place}: {', '.join(one.id for one in runnable)} failed validation on a machine like"
            " this one and nothing else can run here; name one with artefact= to load it anyway"
        )
    why = "first of the manifest's preferred order that can run here"
    if passed:
        return left[0], _usual(wish), f"{why}; {_unjudged(passed, known, _usual(wish))}"
    return left[0], _usual(wish), f"{why}; none {_HERE} yet"


def _usual(wish: Wish) -> int:
    return default_threads() if wish.threads is None else wish.threads


def _pairs(artefact: Artefact, known: Known, wish: Wish) -> list[Pair]:
    """The artefact with each number of threads that it passed with, the usual number first."""
    usual, judged = _usual(wish), known.verdicts[artefact.id].threads
    if not backend(ENGINES[artefact.target].backend).uses_threads:
        return [(artefact.id, usual)]
    if wish.threads is not None:
        return [(artefact.id, usual)] if usual in judged else []
    return [(artefact.id, one) for one in sorted(judged, key=lambda one: (one != usual, one))]


def _own_threads(artefact: Artefact) -> int | None:
    return backend(ENGINES[artefact.target].backend).own_threads()


def _unjudged(passed: Sequence[Artefact], known: Known, threads: int) -> str:
    """That what passed did so with other numbers of threads."""
    judged = sorted({one for artefact in passed for one in known.verdicts[artefact.id].threads})
    counts = ", ".join(map(str, judged)) or "no stated number of"
    return (
        f"{', '.join(one.id for one in passed)} {_HERE} with {counts} threads, not with {threads}:"
        f" run kd2edge validate --threads {threads}"
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


def _fastest(
    pairs: Sequence[Pair], comparable: Sequence[Pair], known: Known, wish: Wish
) -> tuple[Pair, str]:
    """The fastest in the bench that timed most of the comparable; without two, the first of all."""
    artefacts = {pair[0] for pair in pairs}
    if len(pairs) == 1:
        return pairs[0], f"{_HERE}, with {_threads(pairs[0][1])}"
    timed = [_at_batch(times, comparable, wish.batch) for times in known.benches]
    most = max((len(found) for found, _ in timed), default=0)
    if most < 2:
        first = f"{_HERE}, first of {len(artefacts)} in order, with {_threads(pairs[0][1])}"
        return pairs[0], f"{first}; no bench compares their speed"
    found, batch = next(one for one in timed if len(one[0]) == most)
    best = min(found, key=lambda pair: found[pair])  # ties: preferred order
    together = {pair[0] for pair in found}
    named = f"fastest of {len(together)} that {_HERE}"
    if len(together) < len(artefacts):
        named = f"fastest of {len(together)} timed together, among {len(artefacts)} that {_HERE}"
    counts = ", ".join(map(str, sorted({pair[1] for pair in found})))
    asked = "" if len({pair[1] for pair in found}) == 1 else f" of {counts}"
    return best, f"{named}, at {batch}, with {_threads(best[1])}{asked}"


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count != 1)}"


def _at_batch(
    times: Sequence[Time], pairs: Sequence[Pair], batch: int
) -> tuple[dict[Pair, float], str]:
    """Milliseconds of each pair that a bench timed at a batch size, and which size that is.

    Between two sizes that were timed the time is read off the straight line, never beyond them: the
    nearest size has to do then, and it is said.
    """
    by_pair: dict[Pair, dict[int, float]] = {pair: {} for pair in pairs}
    for one in times:
        if (one.artefact, one.threads) in by_pair:
            by_pair[one.artefact, one.threads][one.batch] = one.p50
    sizes = [set(own) for own in by_pair.values() if own]
    common = sorted(set.intersection(*sizes)) if sizes else []
    if not common:
        return {}, ""
    at = min(max(batch, common[0]), common[-1])
    found = {pair: _between(own, at) for pair, own in by_pair.items() if own}
    if at != batch:
        return found, f"batch {at} (the nearest to {batch} that was timed)"
    between = "" if batch in common else f" (between {_around(common, batch)})"
    return found, f"batch {batch}{between}"


def _between(times: Mapping[int, float], batch: int) -> float:
    if batch in times:
        return times[batch]
    low = max(size for size in times if size < batch)
    high = min(size for size in times if size > batch)
    share = (batch - low) / (high - low)
    return times[low] + share * (times[high] - times[low])


def _around(sizes: Sequence[int], batch: int) -> str:
    low, high = max(s for s in sizes if s < batch), min(s for s in sizes if s > batch)
    return f"{low} and {high}, which were timed"
