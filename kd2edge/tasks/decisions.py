"""Decisions on classes, item by item: how clear they are, and where two models decide otherwise."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ints, Ragged
from kd2edge.tasks.settings import threshold
from kd2edge.tasks.spec import Decoded, TaskSpec

Floats = npt.NDArray[np.float64]


class Compared(NamedTuple):
    """Two decoded outputs of the same rows, item by item.

    An item is what is right or wrong by itself: a row, a word, one of several labels of a row.
    """

    differ: npt.NDArray[np.bool_]  # [item]
    rows: Ints  # [item]
    places: Ints  # [item], which word of the row; -1 where the row is the item
    wanted: npt.NDArray[Any]  # [item], what the reference decided
    found: npt.NDArray[Any]  # [item], what the other decided


def compared(reference: Decoded, candidate: Decoded) -> Compared:
    """Decided classes of rows or of words.

    Raises:
        ValueError: other numbers of words in the two.
    """
    wanted, found = reference.labels, candidate.labels
    if not isinstance(wanted, Ragged) or not isinstance(found, Ragged):
        one, other = np.asarray(wanted), np.asarray(found)
        rows = np.arange(len(one))
        return Compared(one != other, rows, np.full(len(rows), -1), one, other)
    if not np.array_equal(wanted.lengths, found.lengths):
        raise ValueError("the two are of other words")
    one, other = np.asarray(wanted.values), np.asarray(found.values)
    return Compared(one != other, wanted.owners, wanted.places, one, other)


def margins_of(spec: TaskSpec, decoded: Decoded) -> Floats:
    """How far each decision was ahead of the next best one, in probability: ``[item]``.

    A yes or no is measured from its threshold.
    """
    raw: npt.NDArray[Any]
    raw = decoded.scores.values if isinstance(decoded.scores, Ragged) else decoded.scores
    scores = np.nan_to_num(np.asarray(raw, np.float64))
    if scores.ndim == 1:
        return np.abs(scores - threshold(spec))
    if scores.shape[-1] < 2:
        return np.ones(len(scores))
    best = np.partition(scores, -2, axis=-1)
    return best[:, -1] - best[:, -2]
