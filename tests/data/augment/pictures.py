"""Pictures to change, and what all augmentations have in common."""

from __future__ import annotations

import numpy as np

from kd2edge.data.augment import Augmentation, Images, chance

COUNT = 200


def noise(channels: int, height: int, width: int, count: int = COUNT) -> Images:
    """Random pictures, the same at every call."""
    return np.random.default_rng(0).integers(0, 256, (count, channels, height, width), np.uint8)


def applied(one: Augmentation, images: Images, seed: int = 3, view: int = 1) -> Images:
    """``images`` changed as the first rows of a split."""
    return one.apply(images, chance(seed, np.arange(len(images)), view))


def assert_function_of_seed_row_and_view(one: Augmentation, images: Images) -> None:
    """The same view of a row is the same, whatever stands beside it; another seed's is not."""
    before, changed = images.copy(), applied(one, images)
    assert np.array_equal(images, before)
    assert changed.dtype == np.uint8
    assert changed.shape == images.shape
    assert np.array_equal(changed, applied(one, images))
    at = np.array([7, 2])
    assert np.array_equal(changed[at], one.apply(images[at], chance(3, at, 1)))
    assert not np.array_equal(changed, applied(one, images, seed=4))
    assert not np.array_equal(changed, applied(one, images, view=2))
