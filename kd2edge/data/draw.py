"""Which rows an epoch shows where sources are drawn from: a function of seed and epoch alone.

With temperature sampling a source of n rows has a share of every epoch in proportion to
``n ** (1 / temperature)`` (Arivazhagan et al. 2019, 1907.05019, for languages; multilingual BERT
states the exponent): at 1 sources count by their rows, and the higher it is, the more alike.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
#: Apart from whatever else the seed is for.
_APART = 0xD4A


def quotas(counts: Ints, temperature: float) -> Ints:
    """How many rows of each source an epoch shows ``[source]``; as many in all as there are.

    Shares are rounded by largest remainders: every epoch has the same numbers, and what is drawn is
    the rows alone.

    Args:
        counts: rows of each source, at least 1 each.
        temperature: at least 1.
    """
    # Less the largest: a power of a large number is never formed.
    weights = np.exp((np.log(counts) - np.log(counts.max())) / temperature)
    wanted = weights / weights.sum() * counts.sum()
    found = np.floor(wanted).astype(np.int64)
    left = int(counts.sum() - found.sum())
    found[np.argsort(found - wanted, kind="stable")[:left]] += 1
    return found


def drawn(groups: Ints, temperature: float, seed: int, epoch: int) -> Ints:
    """Indices of the rows that an epoch shows, in their order, some of them more than once.

    A source's rows come in shuffled passes that go on from epoch to epoch: at any time each has
    been shown as often as any other of its source, or once more.

    Args:
        groups: which source each row is of ``[row]``.
        temperature: at least 1; at 1 each row is shown once.
        seed: of the run.
        epoch: counted from 0.
    """
    sources, counts = np.unique(groups, return_counts=True)
    parts: list[Ints] = []
    for source, quota in zip(sources, quotas(counts, temperature), strict=True):
        rows = np.flatnonzero(groups == source)
        begin, end = epoch * int(quota), (epoch + 1) * int(quota)
        first, last = begin // len(rows), -(-end // len(rows))
        passes = [_shuffled(rows, seed, int(source), one) for one in range(first, last)]
        shown = np.concatenate(passes)[begin - first * len(rows) :]
        parts.append(shown[: int(quota)])
    return np.sort(np.concatenate(parts))


def _shuffled(rows: Ints, seed: int, source: int, number: int) -> Ints:
    random = np.random.Generator(np.random.PCG64([_APART, seed, source, number]))
    return random.permutation(rows).astype(np.int64)
