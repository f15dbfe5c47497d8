"""What rows were before they became arrays: what answers speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.spans import Word


@dataclass(frozen=True, slots=True)
class Origin:
    """What some rows of one input were.

    Args:
        words: (start, end, text) of each word of each row; None for inputs without words.
        sizes: height and width that each row's picture had ``[row, 2]``; None where it had those of
            the array, or is none.
    """

    words: Sequence[Sequence[Word]] | None = None
    sizes: npt.NDArray[np.int64] | None = None

    def taken(self, rows: Sequence[int]) -> Origin:
        """Some rows, in the order of ``rows``."""
        return Origin(
            None if self.words is None else [self.words[row] for row in rows],
            None if self.sizes is None else self.sizes[np.asarray(rows, np.int64)],
        )

    @staticmethod
    def joined(parts: Sequence[Origin]) -> Origin:
        """The rows of several, one after the other."""
        words = [one.words for one in parts if one.words is not None]
        sizes = [one.sizes for one in parts if one.sizes is not None]
        return Origin(
            [row for some in words for row in some] if len(words) == len(parts) else None,
            np.concatenate(sizes) if len(sizes) == len(parts) else None,
        )


#: Of rows of which nothing is known.
NO_ORIGIN = Origin()
