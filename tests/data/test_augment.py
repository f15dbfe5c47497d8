from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distill.tiny import IMAGES, image_rows
from kd2edge.data import Views
from kd2edge.data.augment import AUGMENTATIONS, Shift, augmentation, chance
from kd2edge.errors import UsageError

POSITIONS = np.arange(20)


def test_chance_depends_on_seed_row_and_view_alone() -> None:
    base = chance(7, POSITIONS, 1)
    assert np.array_equal(base[[3, 9]], chance(7, np.array([3, 9]), 1))
    assert not np.array_equal(base, chance(8, POSITIONS, 1))
    assert not np.array_equal(base, chance(7, POSITIONS, 2))


def test_chance_is_spread_evenly() -> None:
    counts = np.bincount((chance(0, np.arange(5000), 1)[:, 0] % np.uint64(5)).astype(int))
    assert counts.min() > 900


def test_shift_moves_the_picture_and_fills_with_black() -> None:
    image = np.zeros((20, 2, 7, 9), np.uint8)
    image[:, :, 3, 4] = 200
    moved = Shift(pixels=2).apply({"pixel_values": image}, chance(0, POSITIONS, 1))["pixel_values"]
    assert moved.shape == image.shape
    assert (moved.sum(axis=(2, 3)) == 200).all()
    _, _, rows, columns = np.nonzero(moved)
    assert set(rows - 3) == {-2, -1, 0, 1, 2} == set(columns - 4)
    # All channels of a picture move together.
    assert np.array_equal(moved[:, 0], moved[:, 1])


def test_arrays_that_are_no_images_stay() -> None:
    ids = np.ones((20, 4), np.int64)
    assert Shift(pixels=2).apply({"ids": ids}, chance(0, POSITIONS, 1))["ids"] is ids


def test_view_0_is_the_row_itself_and_views_repeat(tmp_path: Path) -> None:
    plain = IMAGES.split(tmp_path, image_rows())
    split = IMAGES.split(tmp_path, image_rows(), views=Views(3, "shift", {"pixels": 1}, seed=4))
    at = np.array([5, 2, 40])
    shown = [split.batch(at, view).inputs["pixel_values"].numpy() for view in range(4)]
    assert np.array_equal(shown[0], plain.batch(at).inputs["pixel_values"].numpy())
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[1], shown[2])
    assert np.array_equal(shown[3], shown[0])
    # The same view of a row, whatever stands beside it.
    assert np.array_equal(split.batch(at[1:2], 2).inputs["pixel_values"][0], shown[2][1])


def test_views_are_part_of_the_key(tmp_path: Path) -> None:
    by = {"pixels": 1}
    keys = {
        IMAGES.split(tmp_path, image_rows(), views=views).fingerprint
        for views in (None, Views(2, "shift", by), Views(3, "shift", by), Views(2, "shift", by, 1))
    }
    assert len(keys) == 4


@pytest.mark.parametrize("views", [Views(2, "spin"), Views(2, "shift", {"pixel": 1})])
def test_unknown_kinds_and_options_are_named(views: Views) -> None:
    with pytest.raises(UsageError, match=r"spin|pixel"):
        augmentation(views)


def test_table_names_are_the_ones_of_recipes() -> None:
    assert set(AUGMENTATIONS) == {"none", "shift"}
