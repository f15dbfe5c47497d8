"""Several tests at once: p-values that keep the chance of any false finding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm's step-down procedure, in the order given.

    Of ``m`` p-values the k-th smallest is multiplied by ``m - k + 1``, is at least the one before
    it and at most 1.  Whoever rejects what is at most 0.05 rejects any true hypothesis with a
    chance of at most 5 %, however the tests depend on each other (Holm, "A simple sequentially
    rejective multiple test procedure", 1979).

    Args:
        p_values: of the tests, each in [0, 1].
    """
    given = np.asarray(p_values, dtype=np.float64)  # [test]
    order = np.argsort(given, kind="stable")
    scaled = given[order] * np.arange(len(given), 0, -1)
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(one) for one in adjusted]
