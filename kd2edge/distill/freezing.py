"""Modules of a net that training leaves as they are.

Howard and Ruder 2018, "ULMFiT" (arXiv:1801.06146, section 3.3): what was learned in general is kept
while the heads, which start from chance, still send gradients that would destroy it.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from kd2edge.errors import UsageError
from kd2edge.nets import Net


def freeze(net: Net, paths: Sequence[str]) -> list[nn.Module]:
    """Freeze modules and all that is inside them; the modules.

    Their parameters get no gradient, so no optimiser moves or shrinks them.  A frozen part is one
    function of what it is given, the same at every step: whoever trains keeps it in evaluation
    mode, where batch norms use their statistics and leave them alone, and nothing is dropped.

    Args:
        net: changed in place.
        paths: of the modules, see :class:`~kd2edge.nets.Net`.

    Raises:
        UsageError: a path that the net does not have, a module with nothing to freeze, or nothing
            left to train.
    """
    found = {path: net.module(path) for path in paths}
    for path, module in found.items():
        if not any(True for _ in (*module.parameters(), *module.buffers())):
            raise UsageError(
                f"freeze: {path} ({type(module).__name__}) has no numbers to freeze; name a module"
                " that has, `kd2edge check --modules` prints all"
            )
        module.requires_grad_(False)
    if not any(one.requires_grad for one in net.parameters()):
        raise UsageError(
            f"freeze: {', '.join(paths)} are all of the net: nothing is left to train; leave out"
            " what is to learn, such as heads"
        )
    return list(found.values())
