"""Logit losses: what the student's outputs learn from the teachers', one file a method."""

from __future__ import annotations

from kd2edge.distill.logits.kinds import LOGIT_LOSSES

__all__ = ["LOGIT_LOSSES"]
