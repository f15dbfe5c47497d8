"""Interleaved timing: in every round each call is made once, so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

import numpy as np

#: Calls of each before any counts: caches, thread pools, lazy initialisation.
_WARM = 10


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that each round took."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    @property
    def least(self) -> float:
        """The quickest round: what it takes when nothing else runs on the machine."""
        return min(self.seconds)

    def to_json(self) -> dict[str, Any]:
        """Microseconds."""
        high = float(np.percentile(self.seconds, 90))
        return {
            "median_us": _micro(self.median),
            "least_us": _micro(self.least),
            "p90_us": _micro(high),
            "rounds": len(self.seconds),
        }


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, warm: int = _WARM
) -> dict[str, Times]:
    """Time every call ``rounds`` times; each round starts with another one."""
    order = list(calls)
    for call in calls.values():
        for _ in range(warm):
            call()
    taken: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            call = calls[name]
            start = perf_counter_ns()
            call()
            taken[name].append((perf_counter_ns() - start) / 1e9)
        order.append(order.pop(0))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()}


def ratio(of: Times, to: Times) -> float:
    """How many times longer one takes than the other: median of the ratios within a round.

    Both calls of a round see the same noise, so this is steadier than a ratio of two medians.
    """
    return round(float(np.median(np.divide(of.seconds, to.seconds))), 4)


def extra(of: Times, to: Times) -> float:
    """Microseconds that one takes longer than the other: median of the differences in a round."""
    return _micro(float(np.median(np.subtract(of.seconds, to.seconds))))


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 2)
