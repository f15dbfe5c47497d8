"""Augmentations: what a view of a row's picture is, one file a method."""

from __future__ import annotations

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import Chance, chance
from kd2edge.data.augment.kinds import AUGMENTATIONS
from kd2edge.data.augment.views import Seen, Step, Views, seen

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "Chance",
    "Images",
    "Seen",
    "Step",
    "Views",
    "chance",
    "seen",
]
