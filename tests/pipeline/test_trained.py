"""When a trained net is taken over, and when not."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from distill.tiny import IMAGES, image_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import TrainSettings
from kd2edge.errors import UsageError
from kd2edge.nets import build_net
from kd2edge.pipeline.settings import model_spec
from kd2edge.pipeline.trained import Training, net_key, trained
from kd2edge.recipe.schema import CnnModel, TransformersModel, WeightsFolder

MODEL = CnnModel(config={"channels": [4, 6]})
SETTINGS = TrainSettings(epochs=2, batch_size=8, lr=1e-2, device="cpu", precision="fp32")


@pytest.fixture
def splits(tmp_path: Path) -> Mapping[str, EncodedSplit]:
    split = IMAGES.split(tmp_path / "encoded", image_rows(16))
    return {"train": split, "validation": split}


@pytest.mark.parametrize(
    ("change", "same"),
    [({"checkpoint_every": 7}, True), ({"threads": 3}, True), ({"lr": 2e-2}, False)],
)
def test_a_net_is_the_same_whatever_does_not_touch_its_weights(
    splits: Mapping[str, EncodedSplit], change: dict[str, float], same: bool
) -> None:
    first = net_key(MODEL, None, SETTINGS, splits, IMAGES.tasks)
    second = net_key(MODEL, None, replace(SETTINGS, **change), splits, IMAGES.tasks)
    assert (first == second) is same


def test_the_metric_that_chooses_the_epoch_makes_another_net_and_the_reported_ones_do_not(
    splits: Mapping[str, EncodedSplit],
) -> None:
    first = net_key(MODEL, None, SETTINGS, splits, IMAGES.tasks)
    reported = [replace(task, metrics=(task.metric, "accuracy")) for task in IMAGES.tasks]
    leading = [replace(task, metric="macro_f1") for task in IMAGES.tasks]
    assert net_key(MODEL, None, SETTINGS, splits, reported) == first
    assert net_key(MODEL, None, SETTINGS, splits, leading) != first


@pytest.mark.parametrize(
    "change", [{"dropout": 0.3}, {"config": {**MODEL.config, "activation": "relu6"}}]
)
def test_a_checkpoint_of_another_net_is_not_gone_on_from_whatever_its_shapes(
    splits: Mapping[str, EncodedSplit], tmp_path: Path, change: dict[str, object]
) -> None:
    trained(_job(MODEL, splits, tmp_path), resume=False, reuse=False)
    before = (tmp_path / "student.safetensors").read_bytes()
    other = _job(MODEL.model_copy(update=change), splits, tmp_path)
    with pytest.raises(UsageError, match="belongs to another net, or to"):
        trained(other, resume=True, reuse=True)
    assert (tmp_path / "student.safetensors").read_bytes() == before


def test_pretrained_weights_count_by_their_content_and_not_by_their_place(
    splits: Mapping[str, EncodedSplit], tmp_path: Path
) -> None:
    first, moved = tmp_path / "first", tmp_path / "moved"
    first.mkdir()
    (first / "config.json").write_text("{}")
    (first / "model.safetensors").write_bytes(b"one")
    shutil.copytree(first, moved)
    before = _key_from(first, splits)
    assert _key_from(moved, splits) == before
    (moved / "README.md").write_text("read by no net")
    assert _key_from(moved, splits) == before
    (moved / "model.safetensors").write_bytes(b"two")
    assert _key_from(moved, splits) != before


def _key_from(folder: Path, splits: Mapping[str, EncodedSplit]) -> str:
    model = TransformersModel(source=WeightsFolder(path=folder))
    return net_key(model, None, SETTINGS, splits, IMAGES.tasks)


def _job(model: CnnModel, splits: Mapping[str, EncodedSplit], folder: Path) -> Training:
    return Training(
        name="student",
        stem=folder / "student",
        key=net_key(model, None, SETTINGS, splits, IMAGES.tasks),
        build=lambda: build_net(model_spec(model), [IMAGES.spec], IMAGES.tasks),
        tasks=IMAGES.tasks,
        train=splits["train"],
        validation=splits["validation"],
        settings=SETTINGS,
        checkpoints=folder / "checkpoints",
        on_event=lambda event: None,
    )
