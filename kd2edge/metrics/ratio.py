"""Quotients of sums."""

from __future__ import annotations

import numpy as np

from kd2edge.metrics.metric import Floats


def ratio(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, 0 where both are 0 (as scikit-learn's ``zero_division=0``)."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)
