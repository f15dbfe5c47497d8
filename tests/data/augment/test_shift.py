from __future__ import annotations

import numpy as np

from kd2edge.data.augment import chance
from kd2edge.data.augment.shift import Shift


def test_the_picture_moves_and_black_comes_in() -> None:
    image = np.zeros((40, 2, 7, 9), np.uint8)
    image[:, :, 3, 4] = 200
    moved = Shift(pixels=2).apply(image, chance(0, np.arange(40), 1))
    assert moved.shape == image.shape
    assert (moved.sum(axis=(2, 3)) == 200).all()
    _, _, rows, columns = np.nonzero(moved)
    assert set(rows - 3) == {-2, -1, 0, 1, 2} == set(columns - 4)
    # All channels of a picture move together.
    assert np.array_equal(moved[:, 0], moved[:, 1])
