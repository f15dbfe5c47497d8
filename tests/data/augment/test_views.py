"""Views are what their number says, for whoever asks, and known by every option."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distill.tiny import IMAGES, MemoryRows, image_rows
from kd2edge.data import Step, Views, encode_split
from kd2edge.data.augment import chance, seen
from kd2edge.errors import UsageError
from kd2edge.inputs import InputSpec, input_kind
from kd2edge.rows.join import Source, joined
from kd2edge.teacher import cache_outputs

SHIFT = Step("shift", {"pixels": 1})
CROP = Step("crop", {"area": [0.3, 0.8], "aspect": 0.75})
FLIP = Step("flip", {"probability": 0.5})
ERASE = Step("erase", {"probability": 1.0, "area": [0.1, 0.3], "aspect": 0.3, "fill": "noise"})


def views(*steps: Step, count: int = 2, seed: int = 0) -> Views:
    return Views(count, {"image": steps}, seed)


def test_view_0_is_the_row_itself_and_views_repeat(tmp_path: Path) -> None:
    plain = IMAGES.split(tmp_path, image_rows())
    split = IMAGES.split(tmp_path, image_rows(), views=views(CROP, FLIP, ERASE, count=3, seed=4))
    at = np.array([5, 2, 40])
    shown = [split.batch(at, view).inputs["pixel_values"].numpy() for view in range(4)]
    assert np.array_equal(shown[0], plain.batch(at).inputs["pixel_values"].numpy())
    assert not np.array_equal(shown[0], shown[1])
    assert not np.array_equal(shown[1], shown[2])
    assert np.array_equal(shown[3], shown[0])
    # The same view of a row, whatever stands beside it.
    assert np.array_equal(split.batch(at[1:2], 2).inputs["pixel_values"][0], shown[2][1])


def test_steps_are_done_one_after_the_other_each_by_its_own_chance() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), np.uint8)
    at = np.arange(50, dtype=np.int64)
    first, both = (
        seen(views(*steps))["image"].apply(images, at, 1) for steps in ([FLIP], [FLIP, FLIP])
    )
    once = (first != images).any((1, 2, 3))
    twice = (both != first).any((1, 2, 3))
    assert {(True, True), (True, False), (False, True), (False, False)} == set(
        zip(once.tolist(), twice.tolist(), strict=True)
    )


def test_views_are_part_of_the_key_with_every_option(tmp_path: Path) -> None:
    def with_option(step: Step, **more: Any) -> Views:
        return views(replace(step, options={**step.options, **more}))

    every = [
        None,
        views(SHIFT),
        views(SHIFT, count=3),
        views(SHIFT, seed=1),
        with_option(SHIFT, pixels=2),
        views(CROP),
        with_option(CROP, area=[0.4, 0.8]),
        with_option(CROP, aspect=0.5),
        views(FLIP),
        with_option(FLIP, probability=0.4),
        views(ERASE),
        with_option(ERASE, probability=0.4),
        with_option(ERASE, area=[0.1, 0.2]),
        with_option(ERASE, aspect=0.5),
        with_option(ERASE, fill="mean"),
        views(SHIFT, FLIP),
        views(FLIP, SHIFT),
    ]
    splits = [IMAGES.split(tmp_path / "rows", image_rows(), views=one) for one in every]
    assert len({split.fingerprint for split in splits}) == len(every)
    # The form that is stored says the same.
    for one, split in zip(every[1:], splits[1:], strict=True):
        assert one is not None
        assert split.views.form() == one.form()


def test_a_teacher_is_asked_about_each_view_as_the_student_sees_it(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path / "rows", image_rows(), views=views(CROP, ERASE, count=3))
    teacher = IMAGES.net_teacher()
    cache = cache_outputs(teacher, split, tmp_path / "cache", tasks=IMAGES.tasks, batch_size=8)
    at = np.array([30, 1, 2], np.int64)
    said = [cache.logits("shape", at, view) for view in range(4)]
    with teacher.open((), torch.device("cpu")) as answer:
        for view in range(3):
            expected = answer(split.batch(at, view)).logits["shape"].numpy()
            np.testing.assert_allclose(said[view], expected, rtol=2e-3, atol=1e-3)
    assert not np.array_equal(said[1], said[0])
    assert not np.array_equal(said[1], said[2])
    assert np.array_equal(said[3], said[0])


def test_only_the_picture_that_is_named_changes(tmp_path: Path) -> None:
    """Two pictures a row: one stays, and two that are changed alike move apart."""
    specs = {
        name: InputSpec(name, "image", (name,), {"size": [6, 6], "prefix": f"{name}_"})
        for name in ("front", "back")
    }
    image = np.random.default_rng(0).integers(0, 256, (30, 6, 6), np.uint8)
    rows = joined([Source("rows", MemoryRows([{"front": one, "back": one} for one in image]))])
    pairs = {name: (spec, input_kind("image").open(spec, {})) for name, spec in specs.items()}
    at = np.arange(30, dtype=np.int64)

    def shown(*columns: str) -> list[np.ndarray]:
        steps = dict.fromkeys(columns, (SHIFT,))
        split = encode_split(rows, pairs, (), tmp_path / "rows", views=Views(2, steps))
        found = split.batch(at, 1).inputs
        return [found[f"{name}_pixel_values"].numpy()[:, 0] for name in specs]

    front, back = shown("front")
    assert not np.array_equal(front, image)
    assert np.array_equal(back, image)
    again, moved = shown("front", "back")
    assert np.array_equal(again, front)
    assert not np.array_equal(moved, front)


@pytest.mark.parametrize("step", [Step("spin"), Step("shift", {"pixel": 1}), Step("crop", {})])
def test_unknown_kinds_and_options_are_named(step: Step) -> None:
    with pytest.raises(UsageError, match=r"spin|pixel|crop"):
        seen(views(step))


def test_a_step_sees_bits_of_its_own() -> None:
    base = chance(0, np.arange(3), 1)
    assert not np.array_equal(base.of(0).bits(2), base.of(1).bits(2))
