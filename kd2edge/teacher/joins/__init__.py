"""Joins: how several teachers of one task answer together, one file a method."""

from __future__ import annotations

from kd2edge.teacher.joins.ensemble import Answer, Ensemble, Joint
from kd2edge.teacher.joins.join import Join, Several
from kd2edge.teacher.joins.kinds import JOINS

__all__ = ["JOINS", "Answer", "Ensemble", "Join", "Joint", "Several"]
