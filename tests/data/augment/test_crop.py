"""A crop is a part of the picture at the picture's own size."""

from __future__ import annotations

import numpy as np
import pytest

from data.augment.pictures import applied, assert_function_of_seed_row_and_view, noise
from kd2edge.data.augment.crop import Crop

CROP = Crop(area=(0.2, 0.8), aspect=0.75)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_is_a_function_of_seed_row_and_view(channels: int) -> None:
    assert_function_of_seed_row_and_view(CROP, noise(channels, 9, 12))


def test_it_is_as_large_a_part_as_asked() -> None:
    # Brightness grows by 1 a pixel, down or to the right: so does a crop's, by its size over ours.
    ramp = np.arange(200, dtype=np.uint8)
    down = np.broadcast_to(ramp[:, None], (100, 1, 200, 200))
    views = [applied(CROP, one) for one in (down, np.swapaxes(down, 2, 3))]
    inner = slice(20, 180)  # of the edge the resampling sees one side only
    tall, wide = (
        np.ptp(view.mean(axis=(1, axis))[:, inner], axis=1) / 159
        for view, axis in zip(views, (3, 2), strict=True)
    )
    shares, aspects = tall * wide, wide / tall
    assert 0.19 < shares.min() < 0.24
    assert 0.75 < shares.max() < 0.82
    assert 0.73 < aspects.min() < 0.8
    assert 1.25 < aspects.max() < 1.37


def test_a_crop_of_all_is_the_picture() -> None:
    images = noise(3, 8, 8)
    assert np.array_equal(applied(Crop(area=(1.0, 1.0), aspect=1.0), images), images)


def test_of_one_colour_every_part_is_alike() -> None:
    images = np.broadcast_to(np.array([3, 250, 77], np.uint8)[:, None, None], (20, 3, 7, 5))
    assert np.array_equal(applied(CROP, images), images)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_pictures_of_hardly_a_pixel_are_cropped(size: tuple[int, int]) -> None:
    images = noise(3, *size)
    changed = applied(CROP, images)
    assert changed.shape == images.shape
    assert (changed.max((2, 3)) <= images.max((2, 3))).all()
    assert (changed.min((2, 3)) >= images.min((2, 3))).all()
    if size == (1, 1):
        assert np.array_equal(changed, images)


@pytest.mark.parametrize("turned", [False, True])
def test_of_a_long_picture_that_nothing_fits_into_the_middle_stays(turned: bool) -> None:
    long = np.zeros((5, 1, 10, 400), np.uint8)
    long[:, :, :, 195:205] = 200  # as wide as it is tall
    images = np.swapaxes(long, 2, 3) if turned else long
    changed = applied(Crop(area=(1.0, 1.0), aspect=1.0), images)
    assert (changed == 200).all()
