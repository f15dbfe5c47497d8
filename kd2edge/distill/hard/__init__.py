"""Hard losses: what the labels say, one a task kind."""

from __future__ import annotations

from kd2edge.distill.hard.kinds import HARD_LOSSES

__all__ = ["HARD_LOSSES"]
