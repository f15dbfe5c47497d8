"""The interface of a balancer: how the losses of K tasks become one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from kd2edge.tasks.spec import TaskName

#: The task of a loss that belongs to no task: one on features that all tasks share.
SHARED = TaskName("")


class LossKey(NamedTuple):
    """Names one loss: of which task, and of which kind (``task``, ``kd``, ``feature0`` ...)."""

    task: TaskName
    kind: str


@dataclass(frozen=True, slots=True)
class Shared:
    """What all tasks share, for balancers of gradients.

    Args:
        parameters: gives the trunk's parameters: everything that is trained outside the heads.
        features: the student's features by path, those that the balancer named in ``features``:
            gradients with respect to them are the cheap form.
    """

    parameters: Callable[[], Sequence[nn.Parameter]]
    features: Mapping[str, Tensor]


class Balancer(nn.Module, ABC):
    """Combines named losses.  Implementations are final; parameters they own are trained and saved.

    Attributes:
        features: module paths of the student whose outputs, or with ``:input`` inputs,
            :meth:`backward` wants to see: any module of the net, ``heads.TASK.dropout:input`` too.
    """

    features: tuple[str, ...] = ()

    @abstractmethod
    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        """Add to ``.grad`` of everything that is trained; the combined loss, detached.

        Args:
            terms: what each task's loss consists of, with alpha and the task's weight in it.
                A task without a labelled or taught item in this batch has no term.
            shared: what gradient balancers work on.
        """


def tasks_of(terms: Mapping[LossKey, Tensor]) -> dict[TaskName, Tensor]:
    """The sum of each task's terms, in the order of the terms."""
    sums: dict[TaskName, Tensor] = {}
    for key, term in terms.items():
        sums[key.task] = sums[key.task] + term if key.task in sums else term
    return sums
