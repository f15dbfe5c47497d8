"""Fusions: one file each, from the vectors of several inputs to one."""

from __future__ import annotations

from kd2edge.nets.fusion.fusion import Fusion
from kd2edge.nets.fusion.kinds import FUSIONS, fusion_for

__all__ = ["FUSIONS", "Fusion", "fusion_for"]
