"""Feature losses: what the student's inner vectors learn from a teacher's, one file a method."""

from __future__ import annotations

from kd2edge.distill.hints.kinds import HINT_LOSSES
from kd2edge.distill.hints.projector import PROJECTORS

__all__ = ["HINT_LOSSES", "PROJECTORS"]
