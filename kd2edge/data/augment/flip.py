"""Mirrored pictures."""

from __future__ import annotations

from typing import final

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import Chance


@final
class Flip(Augmentation):
    """Changes left and right, with a ``probability``."""

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def apply(self, images: Images, chance: Chance) -> Images:
        flipped = chance.uniform(1)[:, 0] < self._probability  # [row]
        changed = images.copy()
        changed[flipped] = images[flipped, :, :, ::-1]
        return changed
