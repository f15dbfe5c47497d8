from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distill.tiny import IMAGES, TOKENS, image_rows, token_rows
from kd2edge.data import Batch
from kd2edge.errors import UsageError
from kd2edge.teacher.features import GRID, as_items, on_grid, shared_form


@pytest.fixture
def images(tmp_path: Path) -> Batch:
    return IMAGES.split(tmp_path, image_rows()).batch(np.arange(2))


@pytest.fixture
def tokens(tmp_path: Path) -> Batch:
    return TOKENS.split(tmp_path, token_rows()).batch(np.arange(2))


def test_vectors_of_rows_stay(images: Batch) -> None:
    feature = torch.randn(2, 5)
    assert shared_form("x", feature, images).values is feature


def test_maps_are_averaged_down_to_a_grid(images: Batch) -> None:
    assert shared_form("x", torch.ones(2, 3, 32, 7), images).values.shape == (2, 3, GRID, GRID)
    small = torch.randn(2, 3, 2, 1)
    assert torch.equal(shared_form("x", small, images).values, small)


def test_sequences_become_vectors_of_words(tokens: Batch) -> None:
    length = tokens.inputs["input_ids"].shape[1]
    feature = torch.arange(2.0 * length).view(2, length, 1)
    shared = shared_form("x", feature, tokens)
    assert shared.words is tokens.words["words"]
    there = tokens.words["words"].index >= 0
    assert shared.values[there].flatten().tolist() == tokens.words["words"].index[there].tolist()


def test_sequences_of_no_words_are_refused(images: Batch) -> None:
    with pytest.raises(UsageError, match="words"):
        shared_form("x", torch.ones(2, 3, 4), images)


def test_other_forms_are_refused(images: Batch) -> None:
    with pytest.raises(UsageError, match="x: 5 dimensions"):
        shared_form("x", torch.ones(2, 1, 1, 1, 1), images)


def test_maps_take_the_grid_that_they_are_compared_on() -> None:
    student, teacher = torch.randn(2, 3, 6, 6), torch.randn(2, 8, 2, 3)
    assert on_grid(student, (2, 3)).shape == (2, 3, 2, 3)
    # Items of both stand for the same places.
    assert as_items(on_grid(student, (2, 3))).shape == (12, 3)
    assert as_items(teacher).shape == (12, 8)
    assert torch.equal(as_items(teacher)[1], teacher[0, :, 0, 1])


@pytest.mark.parametrize(("size", "grid"), [((7, 5), (4, 4)), ((56, 4), (3, 2)), ((2, 3), (4, 4))])
def test_means_are_those_of_adaptive_pooling(size, grid) -> None:
    feature = torch.randn(2, 3, *size)
    torch.testing.assert_close(on_grid(feature, grid), F.adaptive_avg_pool2d(feature, grid))


def test_what_is_no_map_or_needs_no_grid_stays() -> None:
    vectors, maps = torch.randn(2, 3), torch.randn(2, 3, 2, 2)
    assert on_grid(vectors, (2, 2)) is vectors
    assert on_grid(maps, (2, 2)) is maps
    assert on_grid(maps, None) is maps
