"""Quotients of sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.metric import Floats


def ratio(part: npt.ArrayLike, whole: npt.ArrayLike) -> Floats:
    """``part / whole``, 0 where both are 0 (as scikit-learn's ``zero_division=0``)."""
    above, below = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(above, below, out=np.zeros_like(above), where=below != 0)
