"""Interleaved timing: every artefact is timed in every round, so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter_ns

import numpy as np
import numpy.typing as npt

from kd2edge.bench.result import Spread

__all__ = ["interleaved", "spread"]

_BURST = 0.02  # seconds of timed calls in a row: long against a call, short against a slow spell
_MOST = 100_000  # calls of one artefact; the percentiles need no more
_WARM = 2  # calls of a burst that do not count
#: Resamples of the median, calls that they draw from at most, and their share inside the interval.
_RESAMPLES, _DRAWN, _INSIDE = 500, 2000, 0.95
#: How many times the width of the middle half above it a call is an outlier.
_FAR = 3.0

#: A forward pass on the batch of this number.
Call = Callable[[int], object]


def interleaved(
    calls: Mapping[str, Call], *, batch: int, batches: int, seconds: float
) -> dict[str, Spread]:
    """Time each call for about ``seconds``, a burst at a time, in turn.

    Each burst starts with calls that do not count: the one before has left its data in the
    caches and its threads spinning.  Each round starts with another artefact.  Everyone gets the
    same batches in the same order, and only whole rounds of them count.

    Args:
        calls: artefact id -> a forward pass on one of the batches.
        batch: rows of a batch, for the result.
        batches: how many there are; each is run once, at least.
        seconds: time to spend on each, at least.
    """
    times: dict[str, list[int]] = {name: [] for name in calls}
    open_ends = list(calls)
    while open_ends:
        for name in tuple(open_ends):
            _burst(calls[name], times[name], batches)
            if _enough(times[name], batches, seconds):
                open_ends.remove(name)
        open_ends = open_ends[1:] + open_ends[:1]
    return {name: spread(_whole(times[name], batches), batch) for name in calls}


def _burst(call: Call, taken: list[int], batches: int) -> None:
    at = len(taken)
    for back in range(_WARM, 0, -1):
        call((at - back) % batches)
    end = perf_counter_ns() + int(_BURST * 1e9)
    now = perf_counter_ns()
    while now < end:
        start = now
        call(at % batches)
        now = perf_counter_ns()
        taken.append(now - start)
        at += 1


def _enough(taken: list[int], batches: int, seconds: float) -> bool:
    if len(taken) < batches:
        return False
    return sum(taken) >= seconds * 1e9 or len(taken) >= max(_MOST, batches)


def _whole(taken: list[int], batches: int) -> list[int]:
    return taken[: len(taken) // batches * batches]


def spread(taken: list[int], batch: int) -> Spread:
    """Percentiles of some times (ns), an interval of their median, and how many are outliers."""
    times = np.array(taken, np.float64) / 1e6
    low, p50, high, p99 = np.percentile(times, [25, 50, 75, 99])
    ends = _median_interval(times)
    return Spread(
        p50_ms=float(p50),
        low_ms=min(ends[0], float(p50)),
        high_ms=max(ends[1], float(p50)),
        p99_ms=float(p99),
        rows_per_second=batch * len(times) / (float(times.sum()) / 1e3),
        calls=len(times),
        outliers=int((times > high + _FAR * (high - low)).sum()),
    )


def _median_interval(times: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Bootstrap interval of the median; of very many times some, evenly, which makes it wider."""
    some = times[:: -(-len(times) // _DRAWN)]
    drawn = np.random.default_rng(0).integers(0, len(some), (_RESAMPLES, len(some)))
    medians = np.median(some[drawn], axis=1)
    outside = 100 * (1 - _INSIDE) / 2
    low, high = np.percentile(medians, [outside, 100 - outside])
    return float(low), float(high)
