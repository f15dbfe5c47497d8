"""Ways to run rows: threads, rows a forward pass, padding; and which of them are looked at.

An artefact may be right in one way and wrong in another: what a service runs must be among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kd2edge.runtime.threads import usual_threads

__all__ = [
    "FREE",
    "SHARED",
    "SPREAD",
    "Way",
    "full_ways",
    "other_ways",
    "shared_sizes",
    "sweep",
    "thread_counts",
]

#: Rows of the largest batch that is looked at where an artefact takes any number.
FREE = 64
#: Rows, evenly over the split, that tell whether another way gives the same outputs.
SPREAD = 256
#: Rows of which a share of equal decisions says anything.
SHARED = 32
#: Up to this size every one is looked at.
_WHOLE = 64
#: Sizes beyond, evenly between the ends, besides powers of two and their neighbours.
_BETWEEN = 8


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """How rows are run.

    Args:
        threads: of a forward pass.
        batch: rows in it.
        length: positions that it is padded to at least; 0: to its longest row.
    """

    threads: int
    batch: int
    length: int = 0

    def __str__(self) -> str:
        said = f"{self.threads} thread{'s' if self.threads > 1 else ''}, batch {self.batch}"
        return f"{said}, length {self.length}" if self.length else said


def thread_counts(asked: int | None) -> tuple[int, ...]:
    """Numbers of threads that are judged: the one asked for, else one and the default."""
    return usual_threads() if asked is None else (asked,)


def full_ways(threads: Sequence[int], sizes: Iterable[int]) -> tuple[Way, ...]:
    """Ways that run every row: alone with the fewest threads, the other sizes with the most.

    So each size and each number of threads has seen the whole split.

    Args:
        threads: numbers of threads, rising.
        sizes: rows a forward pass; the first is what ``predict`` does when nobody says.
    """
    found = [Way(threads[0] if size == 1 else threads[-1], size) for size in dict.fromkeys(sizes)]
    if len(found) == 1:  # one size alone: each number of threads by itself
        found += [Way(count, found[0].batch) for count in threads]
    return tuple(dict.fromkeys(found))


def other_ways(threads: Sequence[int], full: Sequence[Way]) -> tuple[Way, ...]:
    """Every other pair of threads and size: these are held against the full run of their size."""
    sizes = dict.fromkeys(way.batch for way in full)
    pairs = (Way(count, size) for size in sizes for count in threads)
    return tuple(way for way in pairs if way not in full)


def shared_sizes(ways: Iterable[Sequence[Way]]) -> tuple[int, ...]:
    """Rows a forward pass in which every artefact has run the whole split, from each one's ways."""
    sizes = [{way.batch for way in own if not way.length} for own in ways]
    return tuple(sorted(set[int].intersection(*sizes))) if sizes else ()


def sweep(low: int, high: int, *, part: int = 0, parts: int = 1) -> tuple[int, ...]:
    """Sizes to try from a range: all where they are few, else its ends and a choice between.

    Args:
        low: the smallest.
        high: the largest.
        part: of ``parts`` that share the work, which all try what kernels break at, and together
            every size: a fault of the graph shows to one of them, and one of an engine with some
            number of threads rarely stands at a single size.
        parts: how many there are.
    """
    powers = [1 << bits for bits in range(high.bit_length() + 1)]
    near = {power + step for power in powers for step in (-1, 0, 1)}
    spread = {low + (high - low) * at // _BETWEEN for at in range(_BETWEEN + 1)}
    between = range(low, high + 1) if high <= _WHOLE else sorted(spread)
    sizes = near | {low, high} | set(between[part::parts])
    return tuple(sorted(size for size in sizes if low <= size <= high))
