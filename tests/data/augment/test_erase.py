"""Erasing takes a rectangle of the stated share and leaves everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from data.augment.pictures import applied, assert_function_of_seed_row_and_view, noise
from kd2edge.data.augment.erase import Erase


def erase(**more: Any) -> Erase:
    return Erase(**{"probability": 1.0, "area": (0.1, 0.4), "aspect": 0.3, "fill": "mean"} | more)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fill", ["mean", "noise"])
def test_a_view_is_a_function_of_seed_row_and_view(channels: int, fill: str) -> None:
    assert_function_of_seed_row_and_view(erase(fill=fill), noise(channels, 9, 12))


def test_what_goes_is_one_rectangle_of_the_stated_share() -> None:
    images = np.zeros((400, 1, 60, 80), np.uint8)
    images[:, :, :, ::2] = 255  # a mean of 127.5, which no pixel has
    gone = (applied(erase(), images) == 128)[:, 0]  # [row, height, width]
    tall, wide = gone.any(2).sum(1), gone.any(1).sum(1)
    assert np.array_equal(gone.sum((1, 2)), tall * wide)
    shares, aspects = tall * wide / 4800, wide / tall
    assert 0.09 < shares.min() < 0.12
    assert 0.37 < shares.max() < 0.41
    assert shares.mean() == pytest.approx(0.25, abs=0.02)
    assert 0.28 < aspects.min() < 0.4
    assert 2.5 < aspects.max() < 3.6
    # A rectangle without gaps: its rows and columns stand together.
    for axis, many in ((2, tall), (1, wide)):
        there = gone.any(axis)
        assert np.array_equal(there.shape[1] - there[:, ::-1].argmax(1) - there.argmax(1), many)


def test_everything_else_stays_and_mean_is_the_picture_s_own_colour() -> None:
    images = noise(3, 10, 10)
    changed = applied(erase(), images)
    mean = np.rint(images.mean((2, 3)))[:, :, None, None]
    gone = (changed != images).any(1, keepdims=True)  # [row, 1, height, width]
    assert np.where(gone, changed == mean, changed == images).all()
    assert gone.any((1, 2, 3)).all()


def test_noise_takes_all_values_in_each_channel_on_its_own() -> None:
    images = np.zeros((300, 3, 20, 20), np.uint8)
    changed = applied(erase(fill="noise", area=(0.4, 0.4)), images)
    there = changed.any(1)  # [row, height, width]
    values = np.moveaxis(changed, 1, -1)[there]  # [pixel, channel]
    assert np.bincount(values.ravel(), minlength=256).min() > 300
    assert values.mean() == pytest.approx(127.5, abs=1.0)
    assert np.abs(np.corrcoef(values.T.astype(float)) - np.eye(3)).max() < 0.02


def test_it_happens_as_often_as_asked() -> None:
    images = noise(1, 10, 10, 2000)
    changed = (applied(erase(probability=0.3, fill="noise"), images) != images).any((1, 2, 3))
    assert changed.mean() == pytest.approx(0.3, abs=0.04)


def test_a_pixel_stays_and_a_whole_picture_may_go() -> None:
    images = noise(3, 1, 1)
    assert np.array_equal(applied(erase(fill="noise", area=(0.1, 0.2)), images), images)
    images = noise(3, 6, 6)
    changed = applied(erase(area=(1.0, 1.0), aspect=1.0), images)
    mean = np.rint(images.mean((2, 3), keepdims=True)).astype(np.uint8)
    assert np.array_equal(changed, np.broadcast_to(mean, images.shape))
