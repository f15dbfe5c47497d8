"""A table's arrays as the columns that trees ask: categories first, then numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@final
@dataclass(frozen=True, slots=True)
class Columns:
    """Which categories training showed, and how they are counted.

    Args:
        prefix: of the table's arrays.
        codes: ``[id]`` int16, the number of each category among those that its column showed in
            training; -1 for one that training never showed.
    """

    prefix: str
    codes: Array

    def rows(self, arrays: Mapping[str, Array]) -> Array:
        """``[row, column]`` float64; NaN for a number that is missing, a category never seen.

        A category that is missing is one of its own: training may know what it means.

        Args:
            arrays: ``categories``, ``numbers`` and ``missing`` of the table, as far as it has them.
        """
        parts: list[Array] = []
        if self.prefix + "categories" in arrays:
            ids = arrays[self.prefix + "categories"]
            # The last ids may be of categories that no training row showed.
            codes = self.codes[np.minimum(ids, len(self.codes) - 1)]
            unseen = (codes < 0) | (ids >= len(self.codes))
            parts.append(np.where(unseen, np.nan, codes))
        if self.prefix + "numbers" in arrays:
            gone = arrays[self.prefix + "missing"] > 0
            numbers = arrays[self.prefix + "numbers"].astype(np.float64)
            parts.append(np.where(gone, np.nan, numbers))
        return np.concatenate(parts, axis=1)


def fitted_columns(prefix: str, arrays: Mapping[str, Array]) -> Columns:
    """The columns of training rows.

    Args:
        prefix: of the table's arrays.
        arrays: of the training rows.
    """
    ids = arrays.get(prefix + "categories", np.zeros((0, 0), np.int64))  # [row, column]
    codes = np.full(int(ids.max(initial=-1)) + 1, -1, np.int16)
    for column in ids.T:  # ids of a column are its own
        seen = np.unique(column)
        codes[seen] = np.arange(len(seen))
    return Columns(prefix, codes)
