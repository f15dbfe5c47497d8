"""Random rectangles of a share of a picture's area, within limits of their aspect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from kd2edge.data.augment.chance import Chance

#: Rectangles that are drawn for a picture until one fits in; torchvision tries as often.
TRIES = 10


@final
@dataclass(frozen=True, slots=True)
class Rectangles:
    """One a picture.

    Args:
        places: ``[row, 4]`` top, left, height and width in pixels.
        found: ``[row]`` whether one that was drawn fitted in; else its height and width are 0.
    """

    places: npt.NDArray[np.int64]
    found: npt.NDArray[np.bool_]


def rectangles(
    chance: Chance,
    size: tuple[int, int],
    area: tuple[float, float],
    aspect: float,
) -> Rectangles:
    """Draw a rectangle for each picture.

    Its share of the area is even over ``area``, the logarithm of width over height is even over
    ``aspect`` to its reciprocal, and every place where it fits in is as likely as any other.

    Args:
        chance: of the rows.
        size: height and width of the pictures in pixels.
        area: the least and the largest share.
        aspect: the most slender, at most 1.
    """
    height, width = size
    draws = chance.uniform(2 * TRIES + 2)
    shares = area[0] + (area[1] - area[0]) * draws[:, :TRIES]  # [row, try]
    ratios = np.exp(math.log(aspect) * (1 - 2 * draws[:, TRIES:-2]))  # width over height
    pixels = shares * height * width
    tall = np.rint(np.sqrt(pixels / ratios)).astype(np.int64)  # [row, try]
    wide = np.rint(np.sqrt(pixels * ratios)).astype(np.int64)
    fits = (tall >= 1) & (tall <= height) & (wide >= 1) & (wide <= width)
    found = np.asarray(fits.any(1))
    first = (np.arange(len(draws)), fits.argmax(1))
    tall, wide = (np.where(found, one[first], 0) for one in (tall, wide))  # [row]
    top = (draws[:, -2] * (height - tall + 1)).astype(np.int64)
    left = (draws[:, -1] * (width - wide + 1)).astype(np.int64)
    return Rectangles(np.stack([top, left, tall, wide], 1), found)
