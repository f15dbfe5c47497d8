"""Views: what training sees of a row instead of the row itself, the same at every look.

View ``v`` of row ``p`` is a function of (seed, p, v) and nothing else.  The teacher's cache holds
the outputs of every view, and the student is shown the view of the epoch: they cannot disagree.
View 0 is the row as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import UsageError

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Views:
    """How many views of each row there are, and what makes them.

    Args:
        count: views of each row, view 0 (the row itself) included.
        kind: a name in ``AUGMENTATIONS``.
        options: JSON values for it.
        seed: seed of the chance in it.
    """

    count: int = 1
    kind: str = "none"
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


class Augmentation(ABC):
    """Changes arrays of a batch by chance that depends on row and view alone."""

    @abstractmethod
    def apply(self, arrays: Arrays, chance: npt.NDArray[np.uint64]) -> Arrays:
        """Changed copies of ``arrays``; ``chance`` ``[batch, 4]`` are 64 random bits each."""


@final
class NoChange(Augmentation):
    """Every view is the row itself."""

    def apply(self, arrays: Arrays, chance: npt.NDArray[np.uint64]) -> Arrays:
        del chance
        return arrays


@final
class Shift(Augmentation):
    """Moves images by up to ``pixels`` in both directions; what comes in from outside is black."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels

    def apply(self, arrays: Arrays, chance: npt.NDArray[np.uint64]) -> Arrays:
        span = np.uint64(2 * self._pixels + 1)
        moves = (chance[:, :2] % span).astype(np.int64)  # [batch, 2] in 0 .. 2 * pixels
        return {
            name: self._shifted(images, moves) if images.ndim == 4 else images
            for name, images in arrays.items()
        }

    def _shifted(self, images: npt.NDArray[Any], moves: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        border = (self._pixels, self._pixels)
        padded = np.pad(images, ((0, 0), (0, 0), border, border))
        height, width = images.shape[2:]
        rows = moves[:, 0, None] + np.arange(height)  # [batch, height]
        columns = moves[:, 1, None] + np.arange(width)  # [batch, width]
        batch = np.arange(len(images))[:, None, None]
        # Advanced indices around the channel slice put channels last.
        picked = padded[batch, :, rows[:, :, None], columns[:, None, :]]
        return np.ascontiguousarray(np.moveaxis(picked, -1, 1))


AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {"none": NoChange, "shift": Shift}


def augmentation(views: Views) -> Augmentation:
    """The augmentation that ``views`` names.

    Raises:
        UsageError: an unknown kind or option.
    """
    if views.kind not in AUGMENTATIONS:
        known = ", ".join(sorted(AUGMENTATIONS))
        raise UsageError(f"views: kind {views.kind!r} is not known; choose one of {known}")
    try:
        return AUGMENTATIONS[views.kind](**views.options)
    except TypeError as error:
        raise UsageError(f"views: {views.kind}: {error}") from error


def chance(seed: int, positions: npt.NDArray[np.int64], view: int) -> npt.NDArray[np.uint64]:
    """Random bits ``[row, 4]`` that depend on seed, row and view alone (SplitMix64)."""
    start = np.array([seed, view], dtype=np.int64).astype(np.uint64)
    state = _mixed(_mixed(start[:1] ^ np.uint64(0x9E3779B97F4A7C15)) + start[1:])
    keyed = _mixed(state + positions.astype(np.uint64))
    steps = np.arange(1, 5, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return _mixed(keyed[:, None] + steps)


def _mixed(bits: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014); arrays wrap around silently."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
