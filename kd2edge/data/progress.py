"""How far a long walk over rows has come: the same type as everywhere else."""

from __future__ import annotations

from kd2edge.runtime.progress import OnProgress, Progress, ignore

__all__ = ["OnProgress", "Progress", "ignore"]
