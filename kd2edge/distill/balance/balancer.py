"""The interface of a balancer: how the losses of K tasks become one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kd2edge.tasks.spec import TaskName

#: The task of a loss that belongs to no task: one on features that all tasks share.
SHARED = TaskName("")


class LossKey(NamedTuple):
    """Names one loss: of which task, and of which kind (``task``, ``kd``, ``feature0`` ...).

    Of a net that learns beside the student, ``peer`` is its name; balancers see one net's alone.
    """

    task: TaskName
    kind: str
    peer: str = ""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all tasks share, for balancers of gradients.

    Args:
        parameters: gives the trunk's parameters: everything that is trained outside the heads.
        features: the student's features by path, those that the balancer named in ``features``:
            gradients with respect to them are the cheap form.
        others: gives what is trained beside the trunk: heads, projectors, what losses learn.
    """

    parameters: Callable[[], Sequence[nn.Parameter]]
    features: Mapping[str, Tensor]
    others: Callable[[], Sequence[nn.Parameter]]


class Balancer(nn.Module, ABC):
    """Combines named losses.  Implementations are final; parameters they own are trained and saved.

    Attributes:
        features: module paths of the student whose outputs, or with ``:input`` inputs,
            :meth:`backward` wants to see: any module of the net, ``heads.TASK.dropout:input`` too.
        looks_again: whether :meth:`after_step` is to be called, for one more forward pass a step.
    """

    features: tuple[str, ...] = ()
    looks_again: bool = False

    @abstractmethod
    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        """Add to ``.grad`` of everything that is trained; the combined loss, detached.

        Args:
            terms: what each task's loss consists of, with alpha and the task's weight in it.
                A task without a labelled or taught item in this batch has no term.
            shared: what gradient balancers work on.
        """

    def after_step(self, terms: Mapping[LossKey, Tensor]) -> None:
        """Learn what a step did.

        Args:
            terms: those of the same batch and dropout with the weights as they are now.
        """

    def end_epoch(self) -> None:
        """Learn that an epoch is over, before its checkpoint is written."""

    def require_fits(self, shared: Shared, outputs: Sequence[Tensor]) -> None:
        """Refuse a net whose gradients cannot be balanced.

        Args:
            shared: of that net.
            outputs: of its heads, with their graph.

        Raises:
            UsageError: why, and what fits instead.
        """


def tasks_of(terms: Mapping[LossKey, Tensor]) -> dict[TaskName, Tensor]:
    """The sum of each task's terms, in the order of the terms."""
    sums: dict[TaskName, Tensor] = {}
    for key, term in terms.items():
        sums[key.task] = sums[key.task] + term if key.task in sums else term
    return sums


class Parts(NamedTuple):
    """The losses of a batch, as most balancers see them.

    Args:
        tasks: those that have a loss in this batch, in the order of the terms.
        losses: one a task, in the same order.
        shared: the sum of the losses that belong to no task, which keep their fixed weight.
    """

    tasks: list[TaskName]
    losses: list[Tensor]
    shared: Tensor | None

    def total(self, weighted: Tensor | None) -> Tensor:
        """What the tasks came to, and the shared losses beside it."""
        return torch.stack([one for one in (weighted, self.shared) if one is not None]).sum()


def parts_of(terms: Mapping[LossKey, Tensor]) -> Parts:
    """The losses of a batch by task."""
    sums = tasks_of(terms)
    shared = sums.pop(SHARED, None)
    return Parts(list(sums), list(sums.values()), shared)
