"""Learning rates that differ from module to module.

Howard and Ruder 2018, "ULMFiT" (arXiv:1801.06146, section 3.1, discriminative fine-tuning):
``theta_l <- theta_l - eta_l * gradient``, with ``eta_(l-1) = eta_l / 2.6`` there.
"""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.errors import UsageError
from kd2edge.nets import Net, distances


def rate_factors(net: Net, layer_decay: float, rates: Mapping[str, float]) -> dict[str, float]:
    """Name of a parameter -> what its learning rate is multiplied with.

    That is ``layer_decay ** distance``, the parameter's distance from the heads, times what
    ``rates`` says of the innermost module named there that the parameter is in.

    Args:
        net: put into evaluation mode where levels are asked for; run once then, to see them.
        layer_decay: of a level, to the level above it.
        rates: path of a module -> factor.

    Raises:
        UsageError: a path that the net does not have, or a module of which nothing is trained.
    """
    factors = {name: 1.0 for name, _ in net.named_parameters()}
    if layer_decay != 1:
        factors = {name: layer_decay**distance for name, distance in distances(net).items()}
    names = {id(one): name for name, one in net.named_parameters()}
    inner: dict[str, tuple[int, float]] = {}  # of what is inside: how much, and the factor
    for path, factor in rates.items():
        own = list(net.module(path).parameters())
        if not any(one.requires_grad for one in own):
            raise UsageError(f"rates: nothing in {path} is trained; leave it out")
        for one in own:
            name = names[id(one)]
            if name not in inner or len(own) < inner[name][0]:
                inner[name] = len(own), factor
    return {name: one * inner.get(name, (0, 1.0))[1] for name, one in factors.items()}
