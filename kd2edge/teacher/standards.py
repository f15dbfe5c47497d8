"""A teacher's vectors in units of their own spread, so that several teachers weigh alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from kd2edge.teacher.cache import TeacherCache
from kd2edge.teacher.hadamard import hadamard
from kd2edge.teacher.statistics import Numbers, Statistics


@final
class Standard(nn.Module):
    """Takes the mean off and multiplies by a matrix, or each channel by a number.

    Both are saved with checkpoints: eigenvectors have no sign of their own, and another machine's
    library may turn them, while the student follows what it was given before.

    Args:
        mean: ``[channel]``.
        turn: ``[channel, channel]``, or ``[channel]``.
    """

    mean: Tensor
    turn: Tensor

    def __init__(self, mean: Numbers, turn: Numbers) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("turn", torch.from_numpy(turn).float())

    def forward(self, feature: Tensor) -> Tensor:
        """``[..., channel]``, or of maps ``[batch, channel, height, width]``; in the same form."""
        if feature.dim() == 4:
            return self._turned(feature.movedim(1, -1)).movedim(-1, 1)
        return self._turned(feature)

    def _turned(self, vectors: Tensor) -> Tensor:
        centred = vectors - self.mean
        return centred * self.turn if self.turn.dim() == 1 else centred @ self.turn.T


def z_score(found: Statistics) -> nn.Module:
    """Every channel with mean 0 and deviation 1; one that never varies is 0."""
    return Standard(found.mean, _inverse(found.deviation))


def phi_s(found: Statistics) -> nn.Module:
    """PHI standardisation (Ranzinger et al. 2024, 2410.01680): a rotation and one scale.

    ``y = H U' (x - mean) / phi`` with the covariance's eigenvectors U, a Hadamard matrix H and the
    root phi of the mean eigenvalue: every channel has deviation 1, and distances keep their
    proportions, so that an error counts alike wherever it lies.
    """
    values, vectors = np.linalg.eigh(found.covariance)
    phi = np.sqrt(values.clip(min=0).mean(keepdims=True))
    return Standard(found.mean, _inverse(phi) * (hadamard(len(values)) @ vectors.T))


#: Name in recipes -> what is done to a teacher's vectors, by their statistics.
STANDARDS: Mapping[str, Callable[[Statistics], nn.Module]] = {
    "none": lambda found: nn.Identity(),
    "phi_s": phi_s,
    "z_score": z_score,
}


def standard_of(name: str, cache: TeacherCache, path: str) -> nn.Module:
    """What is done to a cached feature, in shared form.

    Args:
        name: in ``STANDARDS``.
        cache: of the teacher; its statistics are those of the training rows.
        path: of the feature.

    Raises:
        ValueError: a width that ``phi_s`` has no matrix for.
    """
    return STANDARDS[name](cache.statistics(path))


def require_width(name: str, width: int) -> None:
    """Refuse a width before any statistics are there.

    Raises:
        ValueError: a width that ``phi_s`` has no matrix for.
    """
    if name == "phi_s":
        try:
            hadamard(width)
        except ValueError as error:
            raise ValueError(f"standardise phi_s: {error}; use z_score") from error


def _inverse(spread: Numbers) -> Numbers:
    """One over the spread; 0 where there is none."""
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
