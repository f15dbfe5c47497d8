"""One file a target: what its artefacts are made of.  Engines are imported when used."""

from __future__ import annotations

from kd2edge.export.targets.kinds import TARGETS, target
from kd2edge.export.targets.target import Layers, Made, Source, Target, Variant

__all__ = ["TARGETS", "Layers", "Made", "Source", "Target", "Variant", "target"]
