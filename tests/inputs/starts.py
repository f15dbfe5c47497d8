"""Where words start, row by row: what tests compare."""

from __future__ import annotations

import numpy as np

from kd2edge.inputs import Encoded


def rows_of(encoded: Encoded) -> list[list[int]]:
    """The first sub-word of each word of each row."""
    assert encoded.word_starts is not None
    values, offsets = encoded.word_starts
    return [part.tolist() for part in np.split(values, offsets[1:-1])]
