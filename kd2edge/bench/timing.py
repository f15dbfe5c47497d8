"""Interleaved timing: every artefact is timed in every round, so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

import numpy as np

from kd2edge.bench.result import Timing

__all__ = ["interleaved"]

_BURST = 0.02  # seconds of timed calls in a row: long against a call, short against a slow spell
_MOST = 100_000  # calls of one artefact; the percentiles need no more
_LEAST = 5  # calls of one artefact, however slow it is


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, batch: int, threads: int, seconds: float
) -> list[Timing]:
    """Time each call for about ``seconds``, a burst at a time, in turn.

    Each burst starts with calls that do not count: the one before has left its data in the
    caches and its threads spinning.  Each round starts with another artefact.

    Args:
        calls: artefact id -> a forward pass of ``batch`` rows.
        batch: rows of a call, for the result.
        threads: threads of a call, for the result.
        seconds: time to spend on each, at least; it is five calls when they take longer.
    """
    times: dict[str, list[int]] = {name: [] for name in calls}
    open_ends = list(calls)
    while open_ends:
        for name in tuple(open_ends):
            times[name] += _burst(calls[name])
            if _enough(times[name], seconds):
                open_ends.remove(name)
        open_ends = open_ends[1:] + open_ends[:1]
    return [_timing(name, times[name], batch, threads) for name in calls]


def _burst(call: Callable[[], object]) -> list[int]:
    call()
    call()
    taken: list[int] = []
    end = perf_counter_ns() + int(_BURST * 1e9)
    now = perf_counter_ns()
    while now < end:
        start = now
        call()
        now = perf_counter_ns()
        taken.append(now - start)
    return taken


def _enough(taken: list[int], seconds: float) -> bool:
    if len(taken) < _LEAST:
        return False
    return sum(taken) >= seconds * 1e9 or len(taken) >= _MOST


def _timing(name: str, taken: list[int], batch: int, threads: int) -> Timing:
    p50, p99 = np.percentile(np.array(taken, np.float64) / 1e6, [50, 99])
    return Timing(
        artefact=name,
        batch=batch,
        threads=threads,
        p50_ms=float(p50),
        p99_ms=float(p99),
        rows_per_second=batch * len(taken) / (sum(taken) / 1e9),
        calls=len(taken),
    )
