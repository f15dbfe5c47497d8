"""Pictures with a part gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, final

import numpy as np

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import Chance
from kd2edge.data.augment.rectangles import rectangles

#: Purposes of the bits: where a rectangle lies, and what stands in it.
_PLACE, _NOISE = 1, 2


@final
class Erase(Augmentation):
    """A random rectangle of the picture becomes noise, or the picture's own mean colour.

    Zhong et al. 2020 ("Random erasing data augmentation", 1708.04896, algorithm 1), whose ``s_l``
    and ``s_h`` are ``area`` and whose ``r_1`` is ``aspect``; the aspect is even in its logarithm,
    as torchvision draws it, so that lying and standing ones are as likely.  A picture that no drawn
    rectangle fits into, as one of a pixel, stays as it is.

    Args:
        probability: that a picture loses anything.
        area: the least and the largest share of the picture that goes.
        aspect: the most slender rectangle, width over height or height over width, at most 1.
        fill: what stands in its place: ``noise``, a random value each pixel and channel, or
            ``mean``.
    """

    def __init__(
        self,
        probability: float,
        area: Sequence[float],
        aspect: float,
        fill: Literal["noise", "mean"],
    ) -> None:
        self._probability = probability
        self._area = (area[0], area[1])
        self._aspect = aspect
        self._fill = fill

    def apply(self, images: Images, chance: Chance) -> Images:
        height, width = images.shape[2:]
        drawn = rectangles(chance.of(_PLACE), (height, width), self._area, self._aspect)
        erased = drawn.found & (chance.uniform(1)[:, 0] < self._probability)  # [row]
        top, left, tall, wide = (drawn.places[:, at, None] for at in range(4))
        rows, columns = np.arange(height), np.arange(width)
        inside = (
            ((rows >= top) & (rows < top + tall))[:, :, None]
            & ((columns >= left) & (columns < left + wide))[:, None, :]
            & erased[:, None, None]
        )  # [row, height, width]
        gone = np.flatnonzero(erased)
        if not len(gone):
            return images
        changed = images.copy()
        filling = self._filling(images[gone], chance.of(_NOISE).rows(gone))
        changed[gone] = np.where(inside[gone, None], filling, images[gone])
        return changed

    def _filling(self, images: Images, chance: Chance) -> Images:
        """What broadcasts to the pictures and stands where they are erased."""
        if self._fill == "mean":
            means = images.mean(axis=(2, 3), keepdims=True)  # [row, channel, 1, 1]
            return np.rint(means).astype(np.uint8)
        drawn = chance.bits(int(np.prod(images.shape[1:])))
        return (drawn >> np.uint64(56)).astype(np.uint8).reshape(images.shape)
