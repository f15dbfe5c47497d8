"""For every row of a table another one that is near to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError

Floats = npt.NDArray[np.float64]
Metric = Literal["sqeuclidean", "hamming"]
Ints = npt.NDArray[np.int64]

#: Rows among which neighbours are looked for, pair by pair: of 200,000 rows minutes, not hours.
BLOCK = 4096
#: Rows whose distances to a block are kept at once (16 MB).
_ASKING = 512


def neighbours(numbers: Floats, codes: Ints, random: np.random.Generator) -> Ints:
    """The nearest row that differs ``[row]``; the row itself where none does.

    Of numbers the squared difference counts, each column's range being 1; of categories, and of a
    number that is missing in one of two rows, whether they differ: the distance of Bucila et al.
    2006, section 3.3.  Ties go to the earlier row.  Up to ``BLOCK`` rows the nearest is the nearest
    of all; more are halved by their places along random directions until parts are that small, and
    a neighbour stands in the row's own part (one random projection tree, Dasgupta and Freund 2008).

    Args:
        numbers: ``[row, column]``; NaN where one is missing.
        codes: ``[row, column]`` categories, a missing one among them.
        random: of the directions.

    Raises:
        BackendError: scipy is not installed.
    """
    scaled, missing = _scaled(numbers)
    coded = np.concatenate([codes.astype(np.float64), missing], axis=1)
    near = np.empty(len(numbers), np.int64)
    for part in _parts(scaled, coded, random):
        # In the order of the rows, so that ties go to the earlier one.
        rows = np.sort(part)
        near[rows] = rows[_nearest(scaled[rows], coded[rows])]
    return near


def _scaled(numbers: Floats) -> tuple[Floats, Floats]:
    """Numbers from 0 to 1, a missing one in the middle, and flags for columns that lack any."""
    missing = np.isnan(numbers)
    low = np.where(missing, np.inf, numbers).min(axis=0, initial=np.inf)  # [column]
    high = np.where(missing, -np.inf, numbers).max(axis=0, initial=-np.inf)
    with np.errstate(invalid="ignore"):  # a column of which all are missing
        span = np.where(high > low, high - low, 1.0)
    scaled = np.where(missing, 0.5, (numbers - np.where(np.isfinite(low), low, 0.0)) / span)
    return scaled, missing[:, missing.any(axis=0)].astype(np.float64)


def _parts(scaled: Floats, coded: Floats, random: np.random.Generator) -> Iterator[Ints]:
    waiting = [np.arange(len(scaled))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= BLOCK:
            yield rows
            continue
        order = np.argsort(_places(scaled[rows], coded[rows], random), kind="stable")
        half = len(rows) // 2
        waiting += [rows[order[half:]], rows[order[:half]]]


def _places(scaled: Floats, coded: Floats, random: np.random.Generator) -> Floats:
    """Places along a random direction, categories as corners at a distance of 1 from each other.

    Column by column: a matrix product rounds otherwise on another machine.
    """
    places = np.zeros(len(scaled))
    for column in scaled.T:
        places += random.standard_normal() * column
    for column in coded.T:
        names, at = np.unique(column, return_inverse=True)
        places += random.standard_normal(len(names))[at] / np.sqrt(2)
    return places


def _nearest(scaled: Floats, coded: Floats) -> Ints:
    """Position among these rows of the nearest that differs, their own where none does."""
    found = np.empty(len(scaled), np.int64)
    for start in range(0, len(scaled), _ASKING):
        asking = slice(start, start + _ASKING)
        apart = np.zeros((len(scaled[asking]), len(scaled)))
        if scaled.shape[1]:
            apart += _distances(scaled[asking], scaled, "sqeuclidean")
        if coded.shape[1]:
            apart += _distances(coded[asking], coded, "hamming") * coded.shape[1]
        apart[apart == 0] = np.inf
        own = np.arange(start, start + len(apart))
        found[asking] = np.where(np.isinf(apart.min(axis=1)), own, apart.argmin(axis=1))
    return found


def _distances(asking: Floats, rows: Floats, metric: Metric) -> Floats:
    try:
        from scipy.spatial.distance import cdist
    except ImportError as error:
        message = "rows near each other are found by scipy: pip install 'kd2edge[train]'"
        raise BackendError(message) from error
    return cdist(asking, rows, metric).astype(np.float64, copy=False)
