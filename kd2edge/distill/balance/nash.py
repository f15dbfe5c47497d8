"""Nash-MTL (Navon et al. 2022, 2202.01017) by TorchJD, with a memory that checkpoints keep."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from kd2edge.tasks.spec import TaskName


@final
class NashMtl(nn.Module):
    """Each solution starts at the one before: of the tasks that are there, the last of each.

    Unlike the others it is told the size of the gradients, for ``clip_norm`` is one of theirs.

    Args:
        make: the library's class, called with the number of tasks.
        tasks: all tasks.
        clip_norm: largest norm of the weighted gradient; None for no limit.
    """

    solution: Tensor

    def __init__(
        self,
        make: Callable[..., Any],
        tasks: Sequence[TaskName],
        *,
        clip_norm: float | None,
    ) -> None:
        super().__init__()
        self._at = {task: index for index, task in enumerate(tasks)}
        self._make = make
        self._most = clip_norm or 0.0  # the library's word for no limit
        # The library's solver is of a fixed number of tasks.
        self._solvers: dict[int, Any] = {}
        self.register_buffer("solution", torch.ones(len(tasks), dtype=torch.float64))

    def forward(self, gramian: Tensor, tasks: Sequence[TaskName]) -> Tensor:
        """One weight a row of ``gramian`` ``[task, task]``."""
        count, at = len(tasks), torch.tensor([self._at[task] for task in tasks])
        if count not in self._solvers:
            self._solvers[count] = self._make(count, max_norm=self._most).weighting
        solver = self._solvers[count]
        solver.prvs_alpha = self.solution[at].cpu().numpy()
        with warnings.catch_warnings():
            # Of cvxpy, on how the library states the problem; where numbers run out of range the
            # library goes on with the solution before.
            warnings.simplefilter("ignore")
            weights = solver(_root(gramian))
        self.solution[at] = torch.as_tensor(solver.prvs_alpha).to(self.solution)
        return weights


def _root(gramian: Tensor) -> Tensor:
    """Rows with these inner products, ``[task, task]``: as good as the gradients themselves."""
    values, vectors = torch.linalg.eigh(gramian.double())
    return (vectors * values.clamp(min=0).sqrt()).to(gramian.dtype)
