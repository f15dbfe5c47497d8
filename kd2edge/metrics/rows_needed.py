"""How many rows a verdict would take."""

from __future__ import annotations

import math
from statistics import NormalDist

from kd2edge.metrics.estimate import Estimate

#: Advice to find more rows than this is none,
BEYOND = 1_000_000
#: and neither is one to find so many times those at hand, where these are no mere handful.
TIMES, ENOUGH = 100, 1_000


def rows_needed(
    found: Estimate, max_drop: float, *, leverage: float = 1.0, power: float = 0.8
) -> int | None:
    """How many different rows an undecided drop would take; None when more than anybody has.

    Supposes that the true drop is the measured one and that further rows are like these; then a
    verdict falls with probability ``power``.  It is a plan and no promise: the drop that made this
    necessary is itself known no better than its bounds.  A drop that sits at the budget would take
    any number; numbers beyond :data:`BEYOND` are no advice either.

    Args:
        found: the drop.
        max_drop: its budget.
        leverage: what one row could add to the drop, per share of all rows (``OneRow.leverage``).
        power: chance of a verdict.
    """
    gap = abs(max_drop - found.value)
    if gap == 0:
        return None
    have = found.distinct or found.rows
    # The bound lies z * error * sqrt(have / n) + a / n from the value, a being the phantom's.
    phantom = -math.log1p(-found.confidence) * leverage
    normal = NormalDist()
    reach = normal.inv_cdf(found.confidence) + normal.inv_cdf(power)
    linear = reach * found.error * math.sqrt(have)
    root = (math.sqrt(linear**2 + 4 * phantom * gap) - linear) / (2 * phantom)  # 1 / sqrt(n)
    if root * math.sqrt(BEYOND) < 1 or root * root * max(have, ENOUGH) * TIMES < 1:
        return None
    return max(math.ceil(1 / root**2), have + 1)
