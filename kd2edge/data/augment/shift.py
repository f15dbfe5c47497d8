"""Moved pictures."""

from __future__ import annotations

from typing import final

import numpy as np

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import Chance


@final
class Shift(Augmentation):
    """Moves images by up to ``pixels`` in both directions; what comes in from outside is black."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels

    def apply(self, images: Images, chance: Chance) -> Images:
        span = np.uint64(2 * self._pixels + 1)
        moves = (chance.bits(2) % span).astype(np.int64)  # [row, 2] in 0 .. 2 * pixels
        border = (self._pixels, self._pixels)
        padded = np.pad(images, ((0, 0), (0, 0), border, border))
        height, width = images.shape[2:]
        rows = moves[:, 0, None] + np.arange(height)  # [row, height]
        columns = moves[:, 1, None] + np.arange(width)  # [row, width]
        batch = np.arange(len(images))[:, None, None]
        # Advanced indices around the channel slice put channels last.
        picked = padded[batch, :, rows[:, :, None], columns[:, None, :]]
        return np.ascontiguousarray(np.moveaxis(picked, -1, 1))
