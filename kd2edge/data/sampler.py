"""The order of rows in an epoch: a pure function of seed and epoch, so resuming needs no state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]
#: Batches that are sorted by length together.  More: less padding; fewer: batches more mixed.
_POOL = 64


def epoch_order(
    lengths: Ints, batch_size: int, seed: int, epoch: int
) -> list[npt.NDArray[np.int64]]:
    """Positions of every batch of an epoch; rows of one length together, batches shuffled.

    Each row comes exactly once, labelled and unlabelled rows mixed.  Only one batch of the epoch
    may be smaller than ``batch_size``; a single row that is left over joins the batch before it.

    Args:
        lengths: length of each row ``[row]``; all equal for inputs of a fixed size.
        batch_size: rows a batch.
        seed: seed of the run.
        epoch: epoch, counted from 0.
    """
    # PCG64 by name: default_rng may change its generator between numpy versions.
    random = np.random.Generator(np.random.PCG64([seed, epoch]))
    shuffled = random.permutation(len(lengths)).astype(np.int64)  # [row]
    pool = batch_size * _POOL
    batches: list[npt.NDArray[np.int64]] = []
    for begin in range(0, len(shuffled), pool):
        part = shuffled[begin : begin + pool]
        part = part[np.argsort(lengths[part], kind="stable")]
        batches += [part[at : at + batch_size] for at in range(0, len(part), batch_size)]
    if _leaves_one(len(lengths), batch_size):
        batches[-2:] = [np.concatenate(batches[-2:])]
    return [batches[index] for index in random.permutation(len(batches))]


def steps_an_epoch(rows: int, batch_size: int) -> int:
    """How many batches :func:`epoch_order` makes of ``rows`` rows."""
    return -(-rows // batch_size) - _leaves_one(rows, batch_size)


def _leaves_one(rows: int, batch_size: int) -> bool:
    """Whether one row is left over: alone it has no spread, which batch norm refuses."""
    return rows > batch_size and rows % batch_size == 1
