"""Feature losses: what the student's inner vectors learn from a teacher's, one file a method."""

from __future__ import annotations

from kd2edge.distill.features.kinds import FEATURE_LOSSES
from kd2edge.distill.features.projector import ON_MAPS, PROJECTORS

__all__ = ["FEATURE_LOSSES", "ON_MAPS", "PROJECTORS"]
