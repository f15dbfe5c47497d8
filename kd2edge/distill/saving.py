"""What a training puts into a checkpoint, and how it takes it out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.distill.random_state import random_state, restore_random_state

NET = "net/"
BEST = "best/"
_OBJECTIVE = "objective/"
_ADAM = "adam/"


@final
class Learned:
    """Everything that training changes: net, what losses learn, optimiser, random generators.

    Args:
        net: what is trained.
        objective: losses and balancer, with parameters of their own.
        optimizer: over the parameters of both.
    """

    def __init__(
        self, net: nn.Module, objective: nn.Module, optimizer: torch.optim.Optimizer
    ) -> None:
        self._net = net
        self._objective = objective
        self._optimizer = optimizer

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {
            **prefixed(NET, self._net.state_dict()),
            **prefixed(_OBJECTIVE, self._objective.state_dict()),
            **prefixed(_ADAM, self._moments()),
            **random_state(),
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put everything back to where :meth:`tensors` saw it."""
        self._net.load_state_dict(under(NET, tensors))
        self._objective.load_state_dict(under(_OBJECTIVE, tensors))
        moments = under(_ADAM, tensors)
        for name, parameter in named_parameters(self._net, self._objective):
            of_parameter = under(f"{name}/", moments)
            if of_parameter:  # none for a parameter that has had no gradient yet
                self._optimizer.state[parameter] = {
                    # The step count stays where torch keeps it, beside the parameter.
                    key: value.to(parameter.device)
                    for key, value in of_parameter.items()
                }
        restore_random_state(tensors)

    def _moments(self) -> dict[str, Tensor]:
        moments: dict[str, Tensor] = {}
        for name, parameter in named_parameters(self._net, self._objective):
            moments |= prefixed(f"{name}/", self._optimizer.state.get(parameter, {}))
        return moments


def named_parameters(net: nn.Module, objective: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter that is trained, by a name that is unique over both."""
    yield from ((f"net.{name}", one) for name, one in net.named_parameters() if one.requires_grad)
    yield from ((f"objective.{name}", one) for name, one in objective.named_parameters())


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with a prefix to their names."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)
    }


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that later steps do not change."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in tensors.items()}


def trained(parameters: Iterable[tuple[str, nn.Parameter]]) -> list[nn.Parameter]:
    """The parameters of some named ones."""
    return [parameter for _, parameter in parameters]
