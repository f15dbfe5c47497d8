"""The decode settings of a task, each with its default in one place."""

from __future__ import annotations

from kd2edge.tasks.spec import TaskSpec


def temperature(spec: TaskSpec) -> float:
    """What logits are divided by before they become probabilities; 1 unless the task says so."""
    return spec.decode.get("temperature", 1.0)


def threshold(spec: TaskSpec) -> float:
    """From which probability on a binary task says yes; 0.5 unless the task says so."""
    return spec.decode.get("threshold", 0.5)


def most(spec: TaskSpec, asked: int | None) -> int | None:
    """How many labels an answer names whether decided or not; None: those that were decided."""
    own = spec.decode.get("top_k")
    return asked if asked is not None else None if own is None else int(own)


def top_k(spec: TaskSpec, asked: int | None) -> int:
    """How many labels an answer names: what the caller asked for, else the task's own, else 1."""
    return int(spec.decode.get("top_k", 1)) if asked is None else asked
