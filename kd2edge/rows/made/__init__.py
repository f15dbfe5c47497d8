"""Rows that are made of a source's own, for teachers to label: one file a maker."""

from __future__ import annotations

from kd2edge.rows.made.kinds import MAKERS

__all__ = ["MAKERS"]
