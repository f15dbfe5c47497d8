"""Heads: one file a task kind, from a backbone's vectors to the logits of a task."""

from __future__ import annotations

from kd2edge.nets.heads.head import Head
from kd2edge.nets.heads.kinds import HEADS, head_for

__all__ = ["HEADS", "Head", "head_for"]
