"""Balancers: how the losses of K tasks become one step, one file a method."""

from __future__ import annotations

from kd2edge.distill.balance.balancer import Balancer, LossKey, Shared
from kd2edge.distill.balance.kinds import BALANCERS

__all__ = ["BALANCERS", "Balancer", "LossKey", "Shared"]
