"""Projectors: from the student's width to the teacher's.  They are thrown away after training."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def linear(student: int, teacher: int) -> nn.Module:
    """One linear layer on every item."""
    return nn.Linear(student, teacher)


def none(student: int, teacher: int) -> nn.Module:
    """No projection.

    Raises:
        ValueError: the widths differ.
    """
    if student != teacher:
        raise ValueError(f"no projector, but widths {student} and {teacher} differ; use linear")
    return nn.Identity()


#: Name in recipes -> projector of two widths.
PROJECTORS: dict[str, Callable[[int, int], nn.Module]] = {"linear": linear, "none": none}
