"""How large, fast and hungry each artefact of a bundle is on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from kd2edge.bench.probe import footprint
from kd2edge.bench.result import Bench, Footprint, Timing, with_ratios
from kd2edge.bench.samples import Sample, sample_of
from kd2edge.bench.timing import Call, interleaved
from kd2edge.bundle.evidence import append_evidence, require_writable
from kd2edge.bundle.store import Bundle, open_bundle
from kd2edge.engines import ENGINES
from kd2edge.errors import BackendError, UsageError
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.rows.rows import Rows
from kd2edge.runtime import Model, load
from kd2edge.runtime.backends.table import backend
from kd2edge.runtime.threads import usual_threads

__all__ = ["SHAPES", "bench_bundle"]

#: What may change from batch to batch: as the rows' lengths do, or nothing.
SHAPES = ("rows", "fixed")


def bench_bundle(
    path: str | os.PathLike[str],
    *,
    rows: Rows | None = None,
    shape: str = "rows",
    batches: Sequence[int] = (1, 32),
    threads: Sequence[int] | None = None,
    artefacts: Iterable[str] | None = None,
    seconds: float = 1.0,
    out: Path | None = None,
    on_event: OnProgress = ignore,
) -> Bench:
    """Measure every artefact that can run here and add the result to the bundle's evidence.

    Args:
        path: the bundle's folder.
        rows: what to run on, as they come; None: the bundle's golden rows, else made-up ones.
        shape: ``rows``: lengths change as the rows' do; ``fixed``: one batch over and over.
        batches: rows of a forward pass, each size on its own.
        threads: thread counts, each on its own; None: 1, and the physical cores this process may
            use.  What takes a number of its own (NumPy) is timed once, under that number.
        artefacts: ids; None: all.
        seconds: time to spend on each artefact, batch size and thread count, and as much on
            ``predict``; at least 32 batches are run, however long they take.
        out: a folder for the evidence, when the bundle is read-only; engines are found there, too.
        on_event: told about progress: ``load`` (load times and memory), then ``time``.

    Returns:
        Measurements; an artefact that cannot run here is in ``not_run`` with the reason.

    Raises:
        UsageError: an unknown artefact or shape, or sizes below 1.
        DataError: rows that the model's inputs cannot be read from.
        StorageError: the evidence cannot be written (noticed before anything is measured).
        IntegrityError: a file that is not the one the manifest names.
        BackendError: nothing can run here.
    """
    bundle = open_bundle(path)
    counts = usual_threads() if threads is None else tuple(threads)
    if shape not in SHAPES:
        raise UsageError(f"shape: expected {' or '.join(SHAPES)}, found {shape!r}")
    if not batches or not counts or min(*batches, *counts) < 1 or seconds <= 0:
        raise UsageError("bench needs batches and threads of at least 1, and seconds above 0")
    home = out or bundle.path
    require_writable(home)
    runnable, not_run = _runnable(bundle, home, artefacts)
    footprints = _footprints(bundle, home, runnable, counts, batches, on_event)
    work = _Work(sample_of(bundle, rows, max(batches)), shape == "fixed", seconds)
    opened = partial(load, bundle.path, evidence=home)
    own = _own_threads(bundle, runnable)
    timings = _timings(opened, runnable, work, counts, batches, own, on_event)
    sizes = {one.artefact: one.bytes for one in footprints}
    result = Bench(
        bundle.manifest.name,
        bundle.identity,
        work.sample.source,
        shape,
        tuple(footprints),
        with_ratios(timings, sizes),
        not_run,
    )
    file = append_evidence(home, "bench", bundle.identity, result.to_json())
    return replace(result, evidence=str(file))


def _runnable(
    bundle: Bundle, home: Path, asked: Iterable[str] | None
) -> tuple[list[str], dict[str, str]]:
    """Artefacts that load here, in the manifest's order, and why the others do not."""
    known = list(bundle.manifest.artefacts)
    wanted = known if asked is None else list(asked)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise UsageError(f"{bundle.path} has no artefact {unknown[0]!r}; it has {', '.join(known)}")
    runnable: list[str] = []
    not_run: dict[str, str] = {}
    for name in wanted:
        try:
            load(bundle.path, artefact=name, threads=1, evidence=home).close()
            runnable.append(name)
        except BackendError as error:
            not_run[name] = str(error)
    if not runnable:
        reasons = "; ".join(not_run.values()) or "the bundle has no artefact"
        raise BackendError(f"nothing of {bundle.path} can run here: {reasons}")
    return runnable, not_run


def _footprints(
    bundle: Bundle,
    home: Path,
    names: Sequence[str],
    threads: Sequence[int],
    batches: Sequence[int],
    on_event: OnProgress,
) -> list[Footprint]:
    found: list[Footprint] = []
    for done, name in enumerate(names, start=1):
        found.append(footprint(bundle.path, home, name, threads=max(threads), batches=batches))
        on_event(Progress("load", done, len(names)))
    return found


@dataclass(frozen=True, slots=True)
class _Work:
    """What each cell of the bench runs on, and for how long."""

    sample: Sample
    is_fixed: bool
    seconds: float


def _timings(
    opened: Callable[..., Model],
    names: Sequence[str],
    work: _Work,
    threads: Sequence[int],
    batches: Sequence[int],
    own: Mapping[str, int],
    on_event: OnProgress,
) -> list[Timing]:
    """All timings; an artefact of ``own`` threads in the round of as many, else in the last."""
    timings: list[Timing] = []
    turn = {name: count if count in threads else threads[-1] for name, count in own.items()}
    done = 0
    for count in threads:
        asked = [name for name in names if turn.get(name, count) == count]
        with ExitStack() as stack:
            models = {
                name: stack.enter_context(opened(artefact=name, threads=count)) for name in asked
            }
            for batch in batches:
                if models:
                    found = _cell(models, work, batch, count)
                    timings += [replace(one, threads=own.get(one.artefact, count)) for one in found]
                done += 1
                on_event(Progress("time", done, len(threads) * len(batches)))
    return timings


def _own_threads(bundle: Bundle, names: Sequence[str]) -> dict[str, int]:
    """Artefact -> the threads that it takes whatever it is told."""
    targets = {name: bundle.manifest.artefacts[name].target for name in names}
    own = {name: backend(ENGINES[one].backend).own_threads() for name, one in targets.items()}
    return {name: count for name, count in own.items() if count is not None}


def _cell(models: Mapping[str, Model], work: _Work, batch: int, threads: int) -> list[Timing]:
    """All artefacts at one batch size and thread count: graph alone, and raw input to answer."""
    first = next(iter(models.values()))
    pieces = work.sample.pieces(
        batch, first.encode, first.session.spec.inputs, is_fixed=work.is_fixed
    )
    calls: dict[str, Call] = {}
    for name, model in models.items():
        calls[f"{name} graph"] = partial(_run, model.logits, [piece.arrays for piece in pieces])
        if all(piece.raw is not None for piece in pieces):
            calls[f"{name} answer"] = partial(_run, model.predict, [one.raw for one in pieces])
    found = interleaved(calls, batch=batch, batches=len(pieces), seconds=work.seconds)
    return [
        Timing(name, batch, threads, found[f"{name} graph"], found.get(f"{name} answer"))
        for name in models
    ]


def _run(run: Callable[[Any], object], values: Sequence[Any], at: int) -> object:
    return run(values[at])
