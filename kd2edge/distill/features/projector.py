"""Projectors: from the student's width to the teacher's.  They are thrown away after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from torch import Tensor, nn


def linear(student: int, teacher: int) -> nn.Module:
    """One linear layer on every item: on the places of a map a 1 x 1 convolution."""
    return nn.Linear(student, teacher)


def mlp(student: int, teacher: int, *, hidden: int | None) -> nn.Module:
    """Two linear layers with layer norm and GELU between them, on every item.

    The form of AM-RADIO's heads (Ranzinger et al. 2024, 2312.06709).

    Args:
        student: width.
        teacher: width.
        hidden: units between the two layers; None for as many as the teacher is wide.
    """
    between = teacher if hidden is None else hidden
    return nn.Sequential(
        nn.Linear(student, between), nn.LayerNorm(between), nn.GELU(), nn.Linear(between, teacher)
    )


def none(student: int, teacher: int) -> nn.Module:
    """No projection.

    Raises:
        ValueError: the widths differ.
    """
    if student != teacher:
        raise ValueError(f"no projector, but widths {student} and {teacher} differ; use linear")
    return nn.Identity()


@final
class Conv(nn.Module):
    """A convolution and batch norm on the student's own map, before it meets the teacher's grid.

    A ``size`` of 3 is FitNets' convolutional regressor (Romero et al. 2015, 1412.6550) with the
    norm of Heo et al. (2019, 1904.01866), whose own projector is that of ``size`` 1.

    Args:
        student: channels.
        teacher: channels.
        size: side of the kernel, odd; the map keeps its size.
    """

    def __init__(self, student: int, teacher: int, *, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(student, teacher, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(teacher)

    def forward(self, feature: Tensor) -> Tensor:
        """``[batch, student, height, width]`` -> ``[batch, teacher, height, width]``."""
        convolved = self.conv(feature)
        if convolved.numel() > convolved.shape[1]:
            return self.norm(convolved)
        # One number a channel has no spread: torch refuses to learn a norm of it.
        return nn.functional.batch_norm(
            convolved,
            self.norm.running_mean,
            self.norm.running_var,
            self.norm.weight,
            self.norm.bias,
            eps=self.norm.eps,
        )


#: Name in recipes -> projector of two widths, called with the recipe's options.
PROJECTORS: dict[str, Callable[..., nn.Module]] = {
    "conv": Conv,
    "linear": linear,
    "mlp": mlp,
    "none": none,
}
#: Those that read the student's map ``[batch, channel, height, width]``, not its items.
ON_MAPS = frozenset({"conv"})
