"""Random resized crops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import Chance
from kd2edge.data.augment.rectangles import rectangles


@final
class Crop(Augmentation):
    """A part of the picture at the picture's own size.

    Szegedy et al. 2015 ("Going deeper with convolutions", 1409.4842, section 6), with a rectangle
    as torchvision's ``RandomResizedCrop`` draws it.  The part is resampled as pictures of another
    size are (``inputs.picture``).

    Args:
        area: the least and the largest share of the picture that stays.
        aspect: the most slender part, width over height or height over width, at most 1.
    """

    def __init__(self, area: Sequence[float], aspect: float) -> None:
        self._area = (area[0], area[1])
        self._aspect = aspect

    def apply(self, images: Images, chance: Chance) -> Images:
        from kd2edge.inputs.picture import resized

        height, width = images.shape[2:]
        drawn = rectangles(chance, (height, width), self._area, self._aspect)
        # Where none fitted in, as in a very long picture.
        middle = _middle(height, width, self._aspect)
        places = np.where(drawn.found[:, None], drawn.places, middle)
        changed = np.empty_like(images)
        for row, (top, left, tall, wide) in enumerate(places.tolist()):
            part = images[row, :, top : top + tall, left : left + wide]
            changed[row] = np.moveaxis(resized(np.moveaxis(part, 0, -1), height, width), -1, 0)
        return changed


def _middle(height: int, width: int, aspect: float) -> tuple[int, int, int, int]:
    """The largest part around the centre whose aspect is within the limits."""
    tall = min(height, max(1, round(width / aspect)))
    wide = min(width, max(1, round(height / aspect)))
    return (height - tall) // 2, (width - wide) // 2, tall, wide
