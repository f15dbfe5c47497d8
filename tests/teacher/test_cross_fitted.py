from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distill.tiny import DARK, IMAGES, SHAPE, TOKENS, image_rows, token_rows
from kd2edge.errors import DataError
from kd2edge.ragged import Ragged
from kd2edge.teacher import cache_outputs
from kd2edge.teacher.cross_fitted import FINAL, CrossFitted

ALL = {"images": (IMAGES, image_rows), "tokens": (TOKENS, token_rows)}
FEATURES = {"images": "stages.1", "tokens": "encoder.layer.0"}


def folds_of(rows: int, folds: int = 3, seed: int = 0) -> np.ndarray:
    """Folds in no order, the last rows without one."""
    at = np.random.default_rng(seed).integers(folds, size=rows)
    at[-rows // 4 :] = FINAL
    return at.astype(np.int64)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("name", sorted(ALL))
def test_each_row_is_answered_by_the_teacher_of_its_fold(
    tmp_path: Path, name: str, batch_size: int
) -> None:
    world, rows = ALL[name]
    split = world.split(tmp_path, rows())
    at = folds_of(len(split))
    final, *folds = (world.net_teacher(seed=seed) for seed in (2, 3, 4, 5))
    path = FEATURES[name]

    def cached(teacher, features=()):  # noqa: ANN001, ANN202
        return cache_outputs(
            teacher, split, tmp_path, tasks=world.tasks, features=features, batch_size=batch_size
        )

    crossed = cached(CrossFitted(folds, final, at, split), (path,))
    every = np.arange(len(split))
    own = {FINAL: cached(final, (path,)), **dict(enumerate(map(cached, folds)))}
    for task in world.tasks:
        for fold, cache in own.items():
            positions = np.flatnonzero(at == fold)
            found, expected = (one.logits(task.name, positions) for one in (crossed, cache))
            if isinstance(found, Ragged):
                assert isinstance(expected, Ragged)
                np.testing.assert_array_equal(found.lengths, expected.lengths)
                found, expected = found.values, expected.values
            np.testing.assert_allclose(found, expected, atol=2e-3)
        others = [np.asarray(_values(cache.logits(task.name, every))) for cache in own.values()]
        assert all(not np.allclose(one, others[0], atol=2e-3) for one in others[1:]), (
            "the test would not tell the teachers apart"
        )
    features = [_values(one.feature(path, every)) for one in (crossed, own[FINAL])]
    np.testing.assert_allclose(*features, atol=2e-3)


def test_the_fingerprint_follows_teachers_and_folds(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    one, two, three = (IMAGES.net_teacher(seed=seed) for seed in (2, 3, 4))
    at, other = folds_of(len(split), 2), folds_of(len(split), 2, seed=1)
    several = [
        CrossFitted([one, two], three, at, split),
        CrossFitted([two, one], three, at, split),
        CrossFitted([one, two], one, at, split),
        CrossFitted([one, two], three, other, split),
    ]
    assert len({crossed.fingerprint for crossed in several}) == 4


def test_folds_of_other_labels_are_refused(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    whole, part = IMAGES.net_teacher(), IMAGES.net_teacher(tasks=(SHAPE,))
    assert DARK in whole.tasks
    with pytest.raises(DataError, match="fold 2: expected the tasks and labels of the final"):
        CrossFitted([whole, part], whole, folds_of(len(split), 2), split)


def _values(column):  # noqa: ANN001, ANN202
    return column.values if isinstance(column, Ragged) else column
