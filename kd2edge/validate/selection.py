"""Joining decoded batches and picking rows of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kd2edge.ragged import Ints, concatenated, taken
from kd2edge.tasks.spec import Decoded, Truth

__all__ = ["decoded_rows", "joined", "stacked", "truth_rows"]


def stacked(parts: Sequence[Decoded]) -> Decoded:
    """Decoded batches as one."""
    labels = concatenated([part.labels for part in parts])
    return Decoded(labels, concatenated([part.scores for part in parts]))


def decoded_rows(decoded: Decoded, rows: Ints) -> Decoded:
    """Some rows of a decoded output."""
    return Decoded(taken(decoded.labels, rows), taken(decoded.scores, rows))


def truth_rows(truth: Truth, rows: Ints) -> Truth:
    """Some rows of the truth."""
    return Truth(taken(truth.labels, rows))


def joined(first: Decoded, first_rows: Ints, second: Decoded, second_rows: Ints) -> Decoded:
    """Two decoded outputs woven into one: row ``first_rows[i]`` of it is row i of ``first``."""
    order = np.argsort(np.concatenate([first_rows, second_rows]), kind="stable")
    return decoded_rows(stacked([first, second]), order)
