"""Long tails: what makes the rare classes of a task count in training, one file a method."""

from __future__ import annotations

from kd2edge.distill.long_tail.kinds import LONG_TAILS, long_tail, require_fits

__all__ = ["LONG_TAILS", "long_tail", "require_fits"]
