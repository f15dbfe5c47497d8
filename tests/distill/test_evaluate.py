from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, image_rows, token_rows
from kd2edge.data.batch import at_words
from kd2edge.distill import fitted_tasks, metric_values, predict_split
from kd2edge.ragged import Ragged
from kd2edge.tasks.reject import unfitted


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_logits_stand_in_the_order_of_the_rows(tmp_path: Path, batch_size: int) -> None:
    split = TOKENS.split(tmp_path, token_rows())
    net = TOKENS.net().train()
    found = predict_split(net, split, TOKENS.tasks, batch_size=batch_size)
    assert net.training
    batch = split.batch(np.arange(len(split)))
    with torch.inference_mode():
        logits = net.eval()(batch.inputs)
    for task in TOKENS.tasks:
        values = found[task.name]
        expected = at_words(logits[task.name], batch.words_of(task.name)).numpy()
        if isinstance(values, Ragged):
            assert np.array_equal(values.offsets, batch.words["words"].offsets)
            values = values.values
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_words_that_were_cut_off_are_nan(tmp_path: Path) -> None:
    split = TOKENS.split(tmp_path, token_rows())
    found = predict_split(TOKENS.net(), split, (TAG,))[TAG.name]
    assert isinstance(found, Ragged)
    gone = split.batch(np.arange(len(split))).words["words"].index.numpy() < 0
    assert np.array_equal(np.isnan(found.values).any(axis=1), gone)


def test_metrics_are_of_the_rows_that_have_the_label(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(12, 5))
    truth = split.truth(SHAPE.name).labels
    perfect = np.full((17, 3), -5.0)
    perfect[np.arange(12), truth[:12]] = 5.0
    some = perfect.copy()
    some[:3] = -perfect[:3]
    dark = np.where(split.truth(DARK.name).labels == 1, 5.0, -5.0)[:, None]
    assert metric_values((SHAPE, DARK), split, {SHAPE.name: perfect, DARK.name: dark}) == {
        SHAPE.name: 1.0,
        DARK.name: 1.0,
    }
    assert metric_values((SHAPE,), split, {SHAPE.name: some}) == {SHAPE.name: 0.75}


def test_a_task_that_rejects_is_measured_with_the_threshold_that_fits_its_rows(
    tmp_path: Path,
) -> None:
    split = IMAGES.split(tmp_path, image_rows(30, 5))
    truth = split.truth(SHAPE.name).labels
    logits = np.zeros((35, 3))
    logits[np.arange(30), truth[:30]] = 1.0 + 4.0 * (truth[:30] != 2)
    logits[:30, 2] = -9.0  # never the largest: what is out of scope is unsure of the others
    rejecting = replace(SHAPE, decode=unfitted(2, "probability", None))
    assert metric_values((SHAPE,), split, {SHAPE.name: logits})[SHAPE.name] < 1
    assert metric_values((rejecting,), split, {SHAPE.name: logits}) == {SHAPE.name: 1.0}
    fitted, other = fitted_tasks((rejecting, DARK), split, {SHAPE.name: logits})
    assert other is DARK
    assert 0.5 < fitted.decode["least_probability"] < 1


def test_a_task_without_labels_has_no_metric(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(0, 5))
    logits = predict_split(IMAGES.net(), split, IMAGES.tasks)
    assert metric_values(IMAGES.tasks, split, logits) == {}
