"""The fixed table of balancers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from kd2edge.distill.balance.balancer import Balancer
from kd2edge.distill.balance.dwa import Dwa
from kd2edge.distill.balance.famo import Famo
from kd2edge.distill.balance.gradients import Gradients
from kd2edge.distill.balance.gradnorm import GradNorm
from kd2edge.distill.balance.scalarized import SCALARIZERS, Scalarized
from kd2edge.distill.balance.static import Static
from kd2edge.distill.balance.uncertainty import Uncertainty
from kd2edge.distill.balance.weighting import WEIGHTINGS

#: Name in recipes -> balancer, called with the tasks and the recipe's options.
BALANCERS: dict[str, Callable[..., Balancer]] = {
    "dwa": Dwa,
    "famo": Famo,
    "gradnorm": GradNorm,
    "static": Static,
    "uncertainty": Uncertainty,
    **{name: partial(Gradients, name) for name in WEIGHTINGS},
    # What it remembers is one number a task.
    "nash_mtl": partial(Gradients, "nash_mtl", over="tasks"),
    **{name: partial(Scalarized, name) for name in SCALARIZERS},
}
