"""Sides that answer rows in turns: the same rows for all of them in every round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from timing import Times, in_turns, interval, ratio

from beside.judged import OURS
from beside.process import Side

_WARM = 2  # turns of each that do not count; each is many calls


def in_batches(
    sides: Mapping[str, Side], rows: int, batch: int, rounds: int, *, least: int
) -> dict[str, Any]:
    """How many a second, and how many times ours the others take.

    Args:
        sides: that answer ``answer`` with first, count and batch.
        rows: how many there are; a turn takes the next ones.
        batch: rows a call.
        rounds: turns of each.
        least: rows of a turn at least: far longer than a question is on its way.
    """
    count = min(rows, max(least, 2 * batch))
    places = range(0, rows - count + 1, count)
    slices = [{"first": at, "count": count, "batch": batch} for at in places]
    turns = {name: side.turns("answer", slices) for name, side in sides.items()}
    times = in_turns(turns, rounds=rounds, warm=_WARM)
    found: dict[str, Any] = {
        "batch": batch,
        "rows_a_turn": count,
        "per_second": {name: round(1 / one.median, 1) for name, one in times.items()},
        "times_of_one": {name: one.to_json() for name, one in times.items()},
        "over_ours": over(times, OURS),
    }
    print(f"  batch {batch}: {found['per_second']} a second")
    return found


def over(times: Mapping[str, Times], ours: str) -> dict[str, Any]:
    """How many times as long as ours the others take, with bounds at 95 %."""
    return {
        name: {"ratio": ratio(one, times[ours]), "interval": list(interval(one, times[ours]))}
        for name, one in times.items()
        if name != ours
    }
