"""Schedules: values that change with the steps or from item to item, one file a method."""

from __future__ import annotations

from kd2edge.distill.schedules.kinds import SCHEDULES

__all__ = ["SCHEDULES"]
