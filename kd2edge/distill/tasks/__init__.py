"""Task kinds in training: their items, which of them count, the hard loss; one file a kind."""

from __future__ import annotations

from kd2edge.distill.tasks.kinds import HARD_LOSSES

__all__ = ["HARD_LOSSES"]
