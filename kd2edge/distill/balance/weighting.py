"""Weights of K gradients from their inner products, as TorchJD computes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

from torch import Tensor, nn

from kd2edge.distill.balance.nash import NashMtl
from kd2edge.distill.balance.torchjd import imported
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class Source:
    """A method of the library.

    Args:
        name: of its class in ``torchjd.aggregation``.
        needs: modules of the extra ``balance`` that it imports.
        renamed: options of a recipe that it calls otherwise.
    """

    name: str
    needs: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])


#: Name in recipes -> the library's; a recipe's options are arguments of its class.
WEIGHTINGS: MappingProxyType[str, Source] = MappingProxyType(
    {
        "aligned_mtl": Source("AlignedMTLWeighting", renamed={"scaling": "scale_mode"}),
        "cagrad": Source("CAGradWeighting", ("cvxpy", "clarabel")),
        "imtl_g": Source("IMTLGWeighting"),
        "mgda": Source("MGDAWeighting"),
        "nash_mtl": Source("NashMTL", ("cvxpy", "ecos")),
        "pcgrad": Source("PCGradWeighting"),
        "upgrad": Source("UPGradWeighting", ("quadprog", "qpsolvers")),
    }
)


@final
class OfGramian(nn.Module):
    """A method that remembers nothing and is the same at every scale of the gradients.

    It is shown inner products whose trace is 1: the library's solvers take a trace below 1e-4 for
    zero, and gradients of features, which shrink with the batch and as losses fall, get there.
    UPGrad would then be a mean, CAGrad no step at all.
    """

    def __init__(self, weighting: nn.Module) -> None:
        super().__init__()
        self.weighting = weighting

    def forward(self, gramian: Tensor, tasks: Sequence[TaskName]) -> Tensor:
        """One weight a row of ``gramian`` ``[loss, loss]``."""
        del tasks
        return self.weighting(gramian / gramian.trace())


def weighting_of(method: str, tasks: Sequence[TaskName], options: Mapping[str, Any]) -> nn.Module:
    """A new weighting, called with ``(gramian [loss, loss], the task of each row)``.

    Raises:
        UsageError: a package that it needs is not installed.
    """
    source = WEIGHTINGS[method]
    make = getattr(imported(method, "torchjd.aggregation", "train"), source.name)
    for module in source.needs:
        imported(method, module, "balance")
    given = {source.renamed.get(name, name): value for name, value in options.items()}
    return NashMtl(make, tasks, **given) if method == "nash_mtl" else OfGramian(make(**given))
