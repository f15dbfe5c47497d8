"""How large, fast and hungry each artefact of a bundle is on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from kd2edge.bench.probe import footprint
from kd2edge.bench.result import Bench, Footprint, Timing, with_ratios
from kd2edge.bench.samples import ArrayDict, sample, tiled
from kd2edge.bench.timing import interleaved
from kd2edge.bundle.evidence import append_evidence, require_writable
from kd2edge.bundle.store import Bundle, open_bundle
from kd2edge.errors import BackendError, UsageError
from kd2edge.runtime import Model, load
from kd2edge.runtime.progress import OnProgress, Progress, ignore
from kd2edge.runtime.threads import default_threads

__all__ = ["bench_bundle"]


def bench_bundle(
    path: str | os.PathLike[str],
    *,
    batches: Sequence[int] = (1, 32),
    threads: Sequence[int] | None = None,
    artefacts: Iterable[str] | None = None,
    seconds: float = 2.0,
    out: Path | None = None,
    on_event: OnProgress = ignore,
) -> Bench:
    """Measure every artefact that can run here and add the result to the bundle's evidence.

    Args:
        path: the bundle's folder.
        batches: rows of a forward pass, each size on its own.
        threads: thread counts, each on its own; None: the physical cores this process may use.
        artefacts: ids; None: all.
        seconds: time to spend on each artefact, batch size and thread count.
        out: a folder for the evidence, when the bundle is read-only; engines are found there, too.
        on_event: told about progress: ``load`` (load times and memory), then ``time``.

    Returns:
        Measurements; an artefact that cannot run here is in ``not_run`` with the reason.

    Raises:
        UsageError: an unknown artefact, or sizes below 1.
        StorageError: the evidence cannot be written (noticed before anything is measured).
        IntegrityError: a file that is not the one the manifest names.
        BackendError: nothing can run here.
    """
    bundle = open_bundle(path)
    counts = tuple(threads) if threads is not None else (default_threads(),)
    if not batches or not counts or min(*batches, *counts) < 1 or seconds <= 0:
        raise UsageError("bench needs batches and threads of at least 1, and seconds above 0")
    home = out or bundle.path
    require_writable(home)
    runnable, not_run = _runnable(bundle, home, artefacts)
    footprints = _footprints(bundle, home, runnable, counts, batches, on_event)
    rows, source = sample(bundle)
    opened = partial(load, bundle.path, evidence=home)
    timings = _timings(opened, runnable, rows, counts, batches, seconds, on_event)
    sizes = {one.artefact: one.bytes for one in footprints}
    result = Bench(
        bundle.manifest.name,
        bundle.identity,
        source,
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


def _timings(
    opened: Callable[..., Model],
    names: Sequence[str],
    rows: ArrayDict,
    threads: Sequence[int],
    batches: Sequence[int],
    seconds: float,
    on_event: OnProgress,
) -> list[Timing]:
    timings: list[Timing] = []
    for count in threads:
        with ExitStack() as stack:
            models = {
                name: stack.enter_context(opened(artefact=name, threads=count)) for name in names
            }
            for batch in batches:
                arrays = tiled(rows, batch)
                calls = {name: partial(model.logits, arrays) for name, model in models.items()}
                timings += interleaved(calls, batch=batch, threads=count, seconds=seconds)
                on_event(Progress("time", len(timings) // len(names), len(threads) * len(batches)))
    return timings
