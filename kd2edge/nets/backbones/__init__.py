"""Backbones: one file a family, from arrays to the vectors that heads see."""

from __future__ import annotations

from kd2edge.nets.backbones.backbone import Adapter, Built, Request
from kd2edge.nets.backbones.kinds import BACKBONES, backbone_for

__all__ = ["BACKBONES", "Adapter", "Built", "Request", "backbone_for"]
