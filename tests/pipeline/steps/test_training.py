"""When a trained net is taken over, and when not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from distill.tiny import IMAGES, TRAIN, image_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import TrainingJob
from kd2edge.errors import UsageError
from kd2edge.nets import build_net
from kd2edge.pipeline.reading.settings import model_spec
from kd2edge.pipeline.steps.training import origin_of, train_net
from kd2edge.recipe.schema import CnnModel, TransformersModel, WeightsFolder

MODEL = CnnModel(config={"channels": [4, 6]})
SETTINGS = replace(TRAIN, epochs=2)


@pytest.fixture
def splits(tmp_path: Path) -> Mapping[str, EncodedSplit]:
    split = IMAGES.split(tmp_path / "encoded", image_rows(16))
    return {"train": split, "validation": split}


@pytest.mark.parametrize(
    ("change", "same"),
    [({"checkpoint_every": 7}, True), ({"threads": 3}, True), ({"lr": 2e-2}, False)],
)
def test_a_net_is_the_same_whatever_does_not_touch_its_weights(
    splits: Mapping[str, EncodedSplit], tmp_path: Path, change: dict[str, float], same: bool
) -> None:
    first = _job(MODEL, splits, tmp_path)
    second = replace(first, settings=replace(SETTINGS, **change))
    assert (first.key == second.key) is same
    assert (first.checkpoint_key == second.checkpoint_key) is same


def test_the_metric_that_chooses_the_epoch_makes_another_net_and_the_reported_ones_do_not(
    splits: Mapping[str, EncodedSplit], tmp_path: Path
) -> None:
    job = _job(MODEL, splits, tmp_path)
    reported = [replace(task, metrics=(task.metric, "accuracy")) for task in IMAGES.tasks]
    leading = [replace(task, metric="macro_f1") for task in IMAGES.tasks]
    assert replace(job, tasks=reported).key == job.key
    assert replace(job, tasks=leading).key != job.key


@pytest.mark.parametrize(
    "change", [{"dropout": 0.3}, {"config": {**MODEL.config, "activation": "relu6"}}]
)
def test_a_checkpoint_of_another_net_is_not_gone_on_from_whatever_its_shapes(
    splits: Mapping[str, EncodedSplit], tmp_path: Path, change: dict[str, object]
) -> None:
    train_net(_job(MODEL, splits, tmp_path), resume=False, reuse=False, on_event=_ignore)
    before = {path: path.read_bytes() for path in tmp_path.glob("student.*")}
    other = _job(MODEL.model_copy(update=change), splits, tmp_path)
    with pytest.raises(UsageError, match="belongs to another net, or to"):
        train_net(other, resume=True, reuse=True, on_event=_ignore)
    assert {path: path.read_bytes() for path in tmp_path.glob("student.*")} == before


def test_pretrained_weights_count_by_their_content_and_not_by_their_place(tmp_path: Path) -> None:
    first, moved = tmp_path / "first", tmp_path / "moved"
    first.mkdir()
    (first / "config.json").write_text("{}")
    (first / "model.safetensors").write_bytes(b"one")
    shutil.copytree(first, moved)
    before = _origin(first)
    assert _origin(moved) == before
    (moved / "README.md").write_text("read by no net")
    assert _origin(moved) == before
    (moved / "model.safetensors").write_bytes(b"two")
    assert _origin(moved) != before


def _origin(folder: Path) -> object:
    return origin_of(TransformersModel(source=WeightsFolder(path=folder)))


def _job(model: CnnModel, splits: Mapping[str, EncodedSplit], folder: Path) -> TrainingJob:
    return TrainingJob(
        name="student",
        build=lambda: build_net(model_spec(model), [IMAGES.spec], IMAGES.tasks),
        origin=origin_of(model),
        tasks=IMAGES.tasks,
        train=splits["train"],
        validation=splits["validation"],
        settings=SETTINGS,
        stem=folder / "student",
        checkpoints=folder / "checkpoints",
    )


def _ignore(event: object) -> None:
    """Nobody listens."""
