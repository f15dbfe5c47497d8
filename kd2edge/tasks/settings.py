"""The decode settings of a task, each with its default in one place."""

from __future__ import annotations

import math

from kd2edge.tasks.cut import STATED_CUT
from kd2edge.tasks.spec import TaskSpec


def temperature(spec: TaskSpec) -> float:
    """What logits are divided by before they become probabilities; 1 unless the task says so."""
    return spec.decode.get("temperature", 1.0)


def scope_temperature(spec: TaskSpec) -> float:
    """What logits are divided by to tell whether a row is in scope; mostly the same."""
    return spec.decode.get("scope_temperature", temperature(spec))


def threshold(spec: TaskSpec) -> float:
    """From which probability on a task says yes; 0.5 unless the task says so."""
    return spec.decode.get("threshold", STATED_CUT)


def quantile(spec: TaskSpec) -> float:
    """Which quantile of its levels decides a row; the median unless the task says otherwise."""
    return spec.decode.get("quantile", STATED_CUT)


def centre(spec: TaskSpec) -> float:
    """The mean of the training rows' labels: what a standardised value of 0 is."""
    return spec.decode.get("mean", 0.0)


def spread(spec: TaskSpec) -> float:
    """The standard deviation of the training rows' labels: what a standardised value of 1 adds."""
    return spec.decode.get("spread", 1.0)


def bounds(spec: TaskSpec) -> tuple[float, float]:
    """The least and the largest value that the task states; infinite where it states none."""
    return spec.decode.get("low", -math.inf), spec.decode.get("high", math.inf)


def reach(spec: TaskSpec) -> tuple[float, float]:
    """How far values go: the stated bounds, else the training rows' labels."""
    least, most = spec.decode.get("least", -1.0), spec.decode.get("most", 1.0)
    return spec.decode.get("low", least), spec.decode.get("high", most)


def most(spec: TaskSpec, asked: int | None) -> int | None:
    """How many labels an answer names whether decided or not; None: those that were decided."""
    own = spec.decode.get("top_k")
    return asked if asked is not None else None if own is None else int(own)


def top_k(spec: TaskSpec, asked: int | None) -> int:
    """How many labels an answer names: what the caller asked for, else the task's own, else 1."""
    return int(spec.decode.get("top_k", 1)) if asked is None else asked
