"""Where gradients of several tasks meet: the last tensor of the trunk that all heads read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, final

from torch import Tensor, nn

from kd2edge.distill.balance.balancer import Shared
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import TaskName


@final
class Tap:
    """Finds that tensor among what the heads are given, once, from the graph behind it.

    Heads of rows read a pooled vector; beside heads of words, which read the sequence that it was
    pooled from, the sequence is what all of them read.

    Args:
        tasks: whose heads are looked at.
        advice: what to do where there is no such tensor.
    """

    def __init__(self, tasks: Sequence[TaskName], advice: str) -> None:
        self.paths = tuple(f"heads.{task}.dropout:input" for task in tasks)
        self._advice = advice
        self._path = ""
        self._seen: set[TaskName] = set()

    def tensor(self, shared: Shared, losses: Mapping[TaskName, Tensor]) -> Tensor:
        """The tensor in this batch.

        Args:
            shared: its ``features`` hold what each head was given.
            losses: of the tasks that have one in this batch.

        Raises:
            UsageError: nothing of the trunk is trained, or no tensor lies between all of its
                parameters and all heads.
        """
        trunk = trunk_of(shared)
        new = [loss for task, loss in losses.items() if task not in self._seen]
        given = [shared.features[path] for path in self.paths]
        if (
            new or not self._path
        ):  # a task's first batch: the graph has the same shape in every later one
            paths = [self._path] if self._path else self.paths
            self._path = self._found(paths, shared, [*given, *new], {id(one) for one in trunk})
            self._seen.update(losses)
        return shared.features[self._path]

    def require(self, shared: Shared, outputs: Sequence[Tensor]) -> None:
        """Refuse a net without that tensor.

        Args:
            shared: its ``features`` hold what each head was given.
            outputs: what the heads gave, with their graph.

        Raises:
            UsageError: as in :meth:`tensor`.
        """
        trunk = {id(one) for one in trunk_of(shared)}
        given = [shared.features[path] for path in self.paths]
        self._found(self.paths, shared, [*given, *outputs], trunk)

    def _found(
        self, paths: Iterable[str], shared: Shared, roots: list[Tensor], trunk: set[int]
    ) -> str:
        for path in paths:
            one = shared.features[path]
            if one.grad_fn is not None and not any(_passes_by(one, root, trunk) for root in roots):
                return path
        raise UsageError(
            "no single tensor of the trunk lies behind the heads of all tasks, so their gradients"
            f" meet in its parameters alone; {self._advice}"
        )


def trunk_of(shared: Shared) -> Sequence[nn.Parameter]:
    """The trunk's parameters.

    Raises:
        UsageError: none of them is trained.
    """
    trunk = shared.parameters()
    if not trunk:
        raise UsageError(
            "balancing gradients needs a trunk that is trained, and every parameter outside the"
            " heads is frozen; take balance: static"
        )
    return trunk


def _passes_by(tensor: Tensor, root: Tensor, trunk: set[int]) -> bool:
    """Whether some of the trunk's parameters reach ``root`` other than through ``tensor``."""
    return any(id(one) in trunk for one in _leaves(root, tensor))


def _leaves(root: Tensor, but: Tensor) -> Iterator[nn.Parameter]:
    """The parameters behind ``root`` in autograd's graph, without looking behind ``but``."""
    end = (but.grad_fn, but.output_nr)
    todo: list[tuple[Any, int]] = [(root.grad_fn, root.output_nr)]
    seen: set[tuple[Any, int]] = set()
    while todo:
        edge = todo.pop()
        if edge[0] is None or edge == end or edge in seen:
            continue
        seen.add(edge)
        if hasattr(edge[0], "variable"):  # where a leaf's gradient is added up
            yield edge[0].variable
        todo += edge[0].next_functions
