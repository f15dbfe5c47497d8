"""The step that went wrong is taken again to the same bits, and shows its rows and modules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.planted import (
    SETTINGS,
    contents,
    failed,
    gradient_breaks_at,
    job,
    loss_breaks_at,
    row_breaks,
)
from distill.tiny import IMAGES
from kd2edge.distill import TrainingJob, train, training
from kd2edge.distill.balance import LossKey
from kd2edge.distill.cohort import take_together
from kd2edge.distill.failed import FOLDER, load_failed
from kd2edge.distill.replay import replay
from kd2edge.errors import IntegrityError, Kd2edgeError, UsageError
from kd2edge.tasks.spec import TaskName

_SHAPE, _DARK = LossKey(TaskName("shape"), "task"), LossKey(TaskName("dark"), "task")


def broken(this: TrainingJob) -> TrainingJob:
    with pytest.raises(Kd2edgeError):
        train(this)
    return this


def test_losses_are_those_of_the_first_time_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout and from the middle of an epoch."""
    taken: list[dict[LossKey, float]] = []

    def noted(*arguments: Any) -> Mapping[LossKey, Tensor | float]:
        found = take_together(*arguments)
        taken.append({key: float(one) for key, one in found.items()})
        return found

    monkeypatch.setattr(training, "take_together", noted)
    this = broken(job(tmp_path, lambda: gradient_breaks_at(12)))
    monkeypatch.undo()
    found = replay(this)
    assert all(map(math.isfinite, found.losses.values()))
    assert found.losses == taken[11]
    assert found.what is not None
    assert found.what.to_json() == failed(tmp_path)["what"]
    assert replay(this) == found


def test_the_row_at_fault_stands_first_with_id_and_place(tmp_path: Path) -> None:
    split = job(tmp_path, IMAGES.net).train
    (images,) = split.batch(np.array([17])).inputs.values()
    this = broken(job(tmp_path, lambda: row_breaks(images[0])))
    found = replay(this)
    worst, *others = found.rows[_SHAPE]
    assert math.isnan(worst.value)
    assert worst.row == {"position": 17, "id": "17", "place": "memory:18"}
    values = [one.value for one in others]
    assert values == sorted(values, reverse=True)
    assert all(map(math.isfinite, values))
    assert all(math.isfinite(one.value) for one in found.rows[_DARK])
    labelled = split.labelled([TaskName("dark")])  # [row]
    batch = {one["position"] for one in failed(tmp_path)["rows"]}
    listed = {one.row["position"] for one in found.rows[_DARK]}
    assert listed == {at for at in batch if labelled[at]}
    assert [len(one) for one in replay(this, most=2).rows.values()] == [2, 2]


def test_gradient_norms_are_those_of_their_modules(tmp_path: Path) -> None:
    this = broken(job(tmp_path, lambda: gradient_breaks_at(12)))
    found = replay(this)
    names = {name.rpartition(".")[0] for name, _ in IMAGES.net().named_parameters()}
    assert {f"net.{name}" for name in names} == set(found.gradients)
    bad = [name for name, norm in found.gradients.items() if not math.isfinite(norm)]
    assert found.what is not None
    assert bad == [found.what.parameter.rpartition(".")[0]]


def test_the_first_module_that_breaks_is_seen(tmp_path: Path) -> None:
    """Weights of a layer are so large that float32 does not hold what it gives."""

    def build() -> Any:
        net = IMAGES.net()
        with torch.no_grad():
            net.heads["dark"].linear.weight.fill_(3e38)
        return net

    found = replay(broken(job(tmp_path, build)))
    first = next(one for one in found.peaks if not math.isfinite(one.value))
    assert first.module == "heads.dark.linear"
    assert found.what is not None
    assert found.what.task == "dark"


def test_another_precision_shows_whether_it_was_the_cause(tmp_path: Path) -> None:
    settings = replace(SETTINGS, precision="bf16")
    this = broken(job(tmp_path, lambda: loss_breaks_at(3, only=torch.bfloat16), settings))
    assert failed(tmp_path)["precision"] == "bf16"
    assert replay(this).what is not None
    other = replay(this, precision="fp32")
    assert other.precision == "fp32"
    assert other.what is None
    assert all(map(math.isfinite, other.losses.values()))


def test_nothing_is_written_and_no_generator_moved(tmp_path: Path) -> None:
    this = broken(job(tmp_path, lambda: gradient_breaks_at(12)))
    before, state = contents(tmp_path), torch.get_rng_state()
    replay(this)
    assert contents(tmp_path) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_of_other_settings_is_refused(tmp_path: Path) -> None:
    this = broken(job(tmp_path, lambda: gradient_breaks_at(12)))
    with pytest.raises(UsageError, match="of another net, or of other settings"):
        replay(replace(this, settings=replace(this.settings, lr=1e-4)))


def test_where_nothing_went_wrong_there_is_nothing_to_replay(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no step of this training went wrong"):
        load_failed(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', '{"schema": NaN}'])
def test_what_was_kept_and_is_damaged_is_refused(tmp_path: Path, text: str) -> None:
    broken(job(tmp_path, lambda: loss_breaks_at(1)))
    path = tmp_path / "checkpoints" / FOLDER / "failed.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match="failed.json"):
        load_failed(tmp_path / "checkpoints")


def test_tensors_that_were_changed_are_refused(tmp_path: Path) -> None:
    this = broken(job(tmp_path, lambda: loss_breaks_at(1)))
    (path,) = (tmp_path / "checkpoints" / FOLDER).glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(IntegrityError, match="SHA-256"):
        replay(this)
