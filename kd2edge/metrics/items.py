"""Truth and decisions side by side: an item is a row, or a word of a token-level task."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.metric import Floats
from kd2edge.ragged import Ragged
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth, is_stated

Ints = npt.NDArray[np.int64]

_Values = TypeVar("_Values", npt.NDArray[np.int64], npt.NDArray[np.float32])


class Items(NamedTuple):
    """Labels and decisions of some rows, flat.

    ``decided`` is -1 for a word that the length limit cut off.
    """

    truth: Ints  # [item]
    decided: Ints  # [item]
    row: Ints  # [item], which row an item belongs to
    rows: int

    def labelled(self) -> Items:
        """Only the items that have a label."""
        has = self.truth != MISSING
        return Items(self.truth[has], self.decided[has], self.row[has], self.rows)


def items_of(truth: Truth, decoded: Decoded) -> Items:
    """Every item, those without a label included; of several labels a row, those that it has.

    Raises:
        ValueError: truth and decisions of unequal numbers of rows or words.
    """
    labels, decided = truth.labels, decoded.labels
    if isinstance(labels, Ragged) and isinstance(decided, Ragged):
        return _word_items(labels, decided)
    if isinstance(labels, Ragged) or isinstance(decided, Ragged):
        raise ValueError(
            "expected truth and decisions both a row or both a word, found one of each"
        )
    if labels.ndim == 2:
        return _label_items(labels, decided)
    if len(labels) != len(decided):
        raise ValueError(f"expected a decision a row: {len(labels)} rows, {len(decided)} decisions")
    return Items(labels, decided, np.arange(len(labels), dtype=np.int64), len(labels))


def _label_items(labels: Ints, decided: Ints) -> Items:
    """The labels that rows have, each as a class that was decided (or -1: it was not)."""
    rows, classes = np.nonzero(labels == 1)
    found = np.where(decided[rows, classes] == 1, classes, -1)
    return Items(classes.astype(np.int64), found, rows.astype(np.int64), len(labels))


def _word_items(labels: Ragged, decided: Ragged) -> Items:
    if labels.rows != decided.rows:
        raise ValueError(f"expected decisions for {labels.rows} rows, found {decided.rows}")
    values = np.asarray(labels.values, dtype=np.int64)
    if not np.array_equal(labels.offsets, decided.offsets):
        values = _spread(labels, decided)
    return Items(values, np.asarray(decided.values, dtype=np.int64), decided.owners, decided.rows)


def _spread(labels: Ragged, decided: Ragged) -> Ints:
    """Labels in the shape of the decisions: a row without labels may be shorter, any other not."""
    values = np.full(len(decided.values), MISSING, dtype=np.int64)
    for row in range(labels.rows):
        own = labels.row(row)
        start, stop = int(decided.offsets[row]), int(decided.offsets[row + 1])
        if len(own) == stop - start:
            values[start:stop] = own
        elif np.any(own != MISSING):
            raise ValueError(
                f"row {row}: expected a decision a word: {len(own)} labels, "
                f"{stop - start} decisions"
            )
    return values


def cut_off(spec: TaskSpec, truth: Truth, decoded: Decoded) -> int:
    """Labelled words that a model decides nothing on, as the length limit cut them off."""
    if not task_kind(spec.kind).per_word:
        return 0
    return int((items_of(truth, decoded).labelled().decided < 0).sum())


def has_label(truth: Truth) -> npt.NDArray[np.bool_]:
    """Which rows have a label, or at least one labelled word ``[row]``."""
    column = truth.first
    if not isinstance(column, Ragged):
        return _any_stated(column)
    return np.bincount(column.owners, _any_stated(column.values), minlength=column.rows) > 0


def _any_stated(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which items ``[item]`` have a value, or one of several."""
    stated = is_stated(values)
    return stated if stated.ndim == 1 else np.any(stated, axis=tuple(range(1, stated.ndim)))


def distinct(inputs: npt.NDArray[np.integer[Any]]) -> int:
    """How many different inputs there are, by what tells them apart ``[row]``."""
    return len(np.unique(inputs))


def row_sums(items: Items, columns: Ints, weights: npt.NDArray[Any], width: int) -> Floats:
    """Add each item's weight to its row and column: ``[row, width]`` (float64).

    Args:
        items: whose items they are.
        columns: ``[item]`` the column of each, below ``width``.
        weights: ``[item]`` what to add.
        width: columns of the result.
    """
    flat = np.bincount(items.row * width + columns, weights, minlength=items.rows * width)
    return np.reshape(flat, (items.rows, width)).astype(np.float64, copy=False)
