"""What is frozen stays as it is to the bit, and is one function of what it is given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill.tiny import DISTILL, IMAGES, TRAIN, image_rows, step_alone
from kd2edge.distill import Method, Time, TrainingJob, TrainSettings, train
from kd2edge.distill.freezing import freeze
from kd2edge.distill.objective import Objective
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.step import Stepper
from kd2edge.distill.training import Training
from kd2edge.errors import Interrupted, UsageError
from kd2edge.nets import Net, load_net

FROZEN = ("stages.0", "heads.dark")
SETTINGS = replace(TRAIN, freeze=FROZEN, distill=replace(DISTILL, alpha=0.0))


def job(tmp_path: Path, settings: TrainSettings = SETTINGS) -> TrainingJob:
    return TrainingJob(
        name="student",
        build=IMAGES.net,
        origin="student",
        tasks=IMAGES.tasks,
        train=IMAGES.split(tmp_path, image_rows(24, 0)),
        validation=None,
        settings=settings,
        stem=tmp_path / "net",
        checkpoints=tmp_path / "checkpoints",
    )


def state(net: nn.Module) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in net.state_dict().items()}


def test_frozen_modules_keep_their_bits_and_all_others_learn(tmp_path: Path) -> None:
    """With weight decay, and with the statistics of batch norms."""
    before = state(IMAGES.net())
    train(job(tmp_path))
    after = state(load_net(tmp_path / "net"))
    inside = ("backbone.stages.0.", "heads.dark.")
    frozen = {name for name in before if name.startswith(inside)}
    assert any("running_mean" in name for name in frozen)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert frozen <= same
    learned = {name for name in before.keys() - frozen if "weight" in name or "running" in name}
    assert not same & learned


def test_frozen_modules_drop_nothing_and_the_others_do(tmp_path: Path) -> None:
    training = Training(job(tmp_path), IMAGES.net(), torch.device("cpu"))
    training.learn()
    for path, learns in (("stages.0", False), ("heads.dark", False), ("stages.1", True)):
        assert {one.training for one in training.net.module(path).modules()} == {learns}
    assert training.net.module("heads.shape").training


def test_a_rows_frozen_features_do_not_depend_on_its_batch(tmp_path: Path) -> None:
    training = Training(job(tmp_path), IMAGES.net(), torch.device("cpu"))
    training.learn()
    both = training.job.train.batch(np.arange(4)).inputs
    with training.net.capture(["stages.0"]) as features, torch.no_grad():
        training.net(both)
        together = features["stages.0"][:2]
        training.net({name: one[:2] for name, one in both.items()})
        torch.testing.assert_close(features["stages.0"], together, rtol=0, atol=1e-6)


def test_interrupted_and_resumed_gives_the_same_bits(tmp_path: Path) -> None:
    settings = replace(SETTINGS, layer_decay=0.5, rates={"heads": 2.0}, checkpoint_every=2)
    whole = job(tmp_path / "whole", settings)
    train(whole)
    halved = job(tmp_path / "halved", settings)
    asked = iter([False] * 3 + [True])
    with pytest.raises(Interrupted):
        train(halved, stop=lambda: next(asked))
    train(halved, resume=True)
    one, other = (state(load_net(this.stem)) for this in (whole, halved))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_key_follows_what_is_frozen_and_how_fast_modules_learn(tmp_path: Path) -> None:
    same = replace(SETTINGS, freeze=())
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"freeze": ("stages.0",)},
        {"freeze": ("stages.1",)},
        {"layer_decay": 0.9},
        {"rates": {"heads": 2.0}},
        {"rates": {"heads": 3.0}},
    )
    keys = {job(tmp_path, replace(same, **change)).key for change in changes}
    assert len(keys) == len(changes)


def test_a_task_whose_rows_meet_nothing_that_learns_is_left_out(tmp_path: Path) -> None:
    """Its loss is told; the net of a batch with such losses alone stays as it is."""
    net = IMAGES.net().eval()
    freeze(net, ["backbone", "heads.dark"])
    settings = replace(SETTINGS, distill=replace(SETTINGS.distill, balance=Method("uncertainty")))
    objective = Objective(IMAGES.tasks[1:], settings.distill, None, 0.0)
    stepper = Stepper(net, objective, settings, torch.device("cpu"), "fp32")
    before, own = state(net), state(objective)
    with own_randomness(0):
        split = IMAGES.split(tmp_path, image_rows(8, 0))
        raw = step_alone(stepper, split.batch(np.arange(8)), Time(0, 1, 0), 0.1)
    assert [key.task for key in raw] == ["dark"]
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert all(torch.equal(value, objective.state_dict()[name]) for name, value in own.items())


@pytest.mark.parametrize(
    ("paths", "says"),
    [
        (["stages.7"], "has no module 'stages.7'; the nearest are stages"),
        (["heads.shape.dropout"], r"heads.shape.dropout \(Dropout\) has no numbers to freeze"),
        (["backbone", "heads"], "backbone, heads are all of the net: nothing is left to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(paths: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        freeze(IMAGES.net(), paths)


def test_nothing_is_frozen_where_nothing_is_named() -> None:
    net: Net = IMAGES.net()
    assert freeze(net, []) == []
    assert all(one.requires_grad for one in net.parameters())
