"""The fixed table of balancers."""

from __future__ import annotations

from collections.abc import Callable

from kd2edge.distill.balance.balancer import Balancer
from kd2edge.distill.balance.static import Static
from kd2edge.distill.balance.uncertainty import Uncertainty

#: Name in recipes -> balancer, called with the tasks and the recipe's options.
BALANCERS: dict[str, Callable[..., Balancer]] = {"static": Static, "uncertainty": Uncertainty}
