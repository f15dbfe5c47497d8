"""A flip changes left and right of some pictures."""

from __future__ import annotations

import numpy as np
import pytest

from data.augment.pictures import applied, assert_function_of_seed_row_and_view, noise
from kd2edge.data.augment.flip import Flip


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_is_a_function_of_seed_row_and_view(channels: int) -> None:
    assert_function_of_seed_row_and_view(Flip(probability=0.5), noise(channels, 4, 5))


def test_each_picture_is_itself_or_mirrored_as_often_as_asked() -> None:
    images = noise(3, 4, 5, 2000)
    changed = applied(Flip(probability=0.3), images)
    flipped = (changed == images[..., ::-1]).all((1, 2, 3))
    assert (flipped | (changed == images).all((1, 2, 3))).all()
    assert flipped.mean() == pytest.approx(0.3, abs=0.04)


def test_probability_1_mirrors_all() -> None:
    images = noise(1, 4, 5)
    assert np.array_equal(applied(Flip(probability=1.0), images), images[..., ::-1])


def test_a_pixel_stays() -> None:
    images = noise(3, 1, 1)
    assert np.array_equal(applied(Flip(probability=1.0), images), images)
