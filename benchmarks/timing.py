"""Interleaved timing: in every round each call is made once, so that noise hits all alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import comb
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
    return in_turns({name: _clocked(one) for name, one in calls.items()}, rounds=rounds, warm=warm)


def in_turns(
    calls: Mapping[str, Callable[[], float]], *, rounds: int, warm: int = _WARM
) -> dict[str, Times]:
    """As :func:`interleaved`, of calls that say themselves how many seconds they took."""
    order = list(calls)
    for call in calls.values():
        for _ in range(warm):
            call()
    taken: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            taken[name].append(calls[name]())
        order.append(order.pop(0))
    return {name: Times(tuple(seconds)) for name, seconds in taken.items()}


def _clocked(call: Callable[[], object]) -> Callable[[], float]:
    def timed() -> float:
        start = perf_counter_ns()
        call()
        return (perf_counter_ns() - start) / 1e9

    return timed


def ratio(of: Times, to: Times) -> float:
    """How many times longer one takes than the other: median of the ratios within a round.

    Both calls of a round see the same noise, so this is steadier than a ratio of two medians.
    """
    return round(float(np.median(np.divide(of.seconds, to.seconds))), 4)


def interval(of: Times, to: Times, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds of :func:`ratio`: the ratios of two rounds as far from the middle as chance goes.

    The median of what rounds there could be lies between the k-th smallest and the k-th largest
    of n ratios with the chance that k .. n - k of n fair coins fall on one side, whatever the
    ratios' distribution (David and Nagaraja 2003, *Order Statistics*, section 7.1).  Too few
    rounds for the confidence give the smallest and the largest.
    """
    ratios, rounds = sorted(np.divide(of.seconds, to.seconds)), len(of.seconds)
    outside, at = 2.0 / 2**rounds, 0  # chance that the median is beyond the ratio at ``at``
    while outside + 2 * comb(rounds, at + 1) / 2**rounds <= 1 - confidence:
        at += 1
        outside += 2 * comb(rounds, at) / 2**rounds
    return round(float(ratios[at]), 4), round(float(ratios[rounds - 1 - at]), 4)


def extra(of: Times, to: Times) -> float:
    """Microseconds that one takes longer than the other: median of the differences in a round."""
    return _micro(float(np.median(np.subtract(of.seconds, to.seconds))))


def _micro(seconds: float) -> float:
    return round(seconds * 1e6, 2)
