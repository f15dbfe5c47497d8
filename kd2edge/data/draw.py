"""Which rows an epoch shows where they are drawn: a function of seed and epoch alone.

With temperature sampling a group of n rows has a share of every epoch in proportion to
``n ** (1 / temperature)``: at 1 groups count by their rows, and the higher it is, the more alike.
Groups are sources (Arivazhagan et al. 2019, 1907.05019, for languages; multilingual BERT states the
exponent) or tasks (Raffel et al. 2020, "T5", 1910.10683, section 3.5.2).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
#: Apart from whatever else the seed is for.
_APART = 0xD4A


def quotas(counts: Ints, temperature: float) -> Ints:
    """How many rows of each group an epoch shows ``[group]``; as many in all as there are.

    Shares are rounded by largest remainders: every epoch has the same numbers, and what is drawn is
    the rows alone.

    Args:
        counts: rows of each group, at least 1 each.
        temperature: at least 1.
    """
    # Less the largest: a power of a large number is never formed.
    weights = np.exp((np.log(counts) - np.log(counts.max())) / temperature)
    wanted = weights / weights.sum() * counts.sum()
    found = np.floor(wanted).astype(np.int64)
    left = int(counts.sum() - found.sum())
    found[np.argsort(found - wanted, kind="stable")[:left]] += 1
    return found


def rarest(labelled: npt.NDArray[np.bool_]) -> Ints:
    """The task that each row counts for ``[row]``; -1 for a row without any label.

    Of the tasks that a row has a label of that is the one with the fewest labelled rows, the first
    of several.  Where no row has two, as in T5, a task has all of its rows.

    Args:
        labelled: ``[task, row]`` whether a row has a label of a task.
    """
    counts = labelled.sum(axis=1)  # [task]
    found = np.full(labelled.shape[1], -1, np.int64)
    # The rarest comes last, and the first of several as rare, so that it has the last word.
    for task in sorted(range(len(counts)), key=lambda one: (-counts[one], -one)):
        found[labelled[task]] = task
    return found


def drawn(groups: Ints, temperature: float, seed: int, epoch: int) -> Ints:
    """Indices of the rows that an epoch shows, in their order, some of them more than once.

    A group's rows come in shuffled passes that go on from epoch to epoch: at any time each has
    been shown as often as any other of its group, or once more.

    Args:
        groups: which source or task each row is of ``[row]``; of none below 0: such a row is shown
            once an epoch, whatever happens to others.
        temperature: at least 1; at 1 each row is shown once.
        seed: of the run.
        epoch: counted from 0.
    """
    parts = [np.flatnonzero(groups < 0)]
    numbers, counts = np.unique(groups[groups >= 0], return_counts=True)
    wanted = quotas(counts, temperature) if len(counts) else counts
    for number, quota in zip(numbers, wanted, strict=True):
        rows = np.flatnonzero(groups == number)
        begin, end = epoch * int(quota), (epoch + 1) * int(quota)
        first, last = begin // len(rows), -(-end // len(rows))
        passes = [_shuffled(rows, seed, int(number), one) for one in range(first, last)]
        shown = np.concatenate(passes)[begin - first * len(rows) :]
        parts.append(shown[: int(quota)])
    return np.sort(np.concatenate(parts))


def _shuffled(rows: Ints, seed: int, group: int, number: int) -> Ints:
    random = np.random.Generator(np.random.PCG64([_APART, seed, group, number]))
    return random.permutation(rows).astype(np.int64)
