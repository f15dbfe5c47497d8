"""A loss that explodes stops a training as NaN does; what only grows does not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distill.planted import SETTINGS, failed, job, steps_of
from distill.tiny import DISTILL, IMAGES
from kd2edge.distill import Explosion, TrainSettings, train
from kd2edge.distill.balance import LossKey
from kd2edge.distill.checkpoint import load_checkpoint
from kd2edge.distill.explosion import Exploded, Growth
from kd2edge.distill.failed import load_failed
from kd2edge.distill.meter import Meter
from kd2edge.distill.replay import replay
from kd2edge.errors import Interrupted, Kd2edgeError
from kd2edge.nets import Net
from kd2edge.recipe.schema.train import Train
from kd2edge.tasks.spec import TaskName

KEY = LossKey(TaskName("t"), "task")
HOW = Explosion(factor=10.0, floor=1.0, steps=3)
DEFAULT = Explosion(**Train().model_dump()["explosion"])

#: Adam moves every weight by the rate: losses of hundreds and thousands, for 40 steps all finite.
WILD = replace(
    SETTINGS, lr=3000.0, warmup=0.0, schedule="constant", explosion=replace(DEFAULT, steps=4)
)  # fmt: skip


def found_in(values: Sequence[float], how: Explosion | None = HOW) -> Exploded | None:
    growth = Growth(how)
    for value in values:
        growth.add({KEY: value})
    return growth.exploded


def test_it_is_the_first_of_so_many_steps_above_so_many_times_the_smallest() -> None:
    """Means of three: 2, then 1; above 10 * (1 + 1) in steps 8 to 10."""
    found = found_in([2, 2, 2, 1, 1, 1, 20, 20.5, 21, 400, 3])
    assert found == Exploded(KEY, value=20.5, limit=20.0, since=8, batches=3)
    assert "loss task of t explodes: it is 20.5, and from here on above 20 in 3" in str(found)


def test_a_loss_that_leaps_up_and_down_at_a_height_is_found() -> None:
    """Above 20 at 7, 8, 10 and 11, below at 9: three more."""
    found = found_in([2, 2, 2, 1, 1, 1, 50, 40, 15, 60, 70])
    assert found == Exploded(KEY, value=50.0, limit=20.0, since=7, batches=3)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([1.0] * 3 + [1e9, 1.0] * 20, "every other step"),
        ([1.0] * 3 + [1e9, 1e9, 1.0, 1.0] * 20, "a batch or two of odd rows"),
        ([1.0] * 3 + [20.0] * 20, "at the limit"),
        ([0.0] * 9 + [10.0] * 20, "the floor alone"),
        ([1e6] * 30, "as it began"),
        ([math.nan, math.inf] * 20, "not finite: another matter"),
        ([1.0] * 3 + [1e9, math.nan, 1e9, 1.0, 1.0] * 9, "NaN does not count"),
    ],
)
def test_what_is_none(values: list[float], why: str) -> None:
    assert found_in(values) is None, why


def test_a_training_that_explodes_from_its_first_update_is_found_by_its_first_loss() -> None:
    """Means over batches have the explosion in them; the first batch has not."""
    found = found_in([2.0, *[1e4] * 5])
    assert found is not None
    assert (found.since, found.limit) == (2, 30.0)


def test_a_loss_that_batches_lack_is_counted_where_it_is() -> None:
    growth, other = Growth(HOW), LossKey(TaskName("u"), "kd", "peer")
    for step in range(1, 30):
        growth.add({KEY: 1.0} | ({other: 1.0 if step < 9 else 1e3} if step % 4 == 0 else {}))
    assert growth.exploded == Exploded(other, 1e3, 20.0, since=12, batches=3)
    assert str(growth.exploded).startswith("peer peer: loss kd of u explodes")


def test_null_is_never() -> None:
    assert found_in([1.0] * 9 + [1e30] * 99, None) is None


def test_who_goes_on_without_it_suspects_nothing_that_was_above() -> None:
    """Else no checkpoint would ever be written again."""
    growth = Growth(HOW)
    for value in (1.0, 1.0, 50.0):
        growth.add({KEY: value})
    kept = growth.to_json()
    assert Growth(HOW, kept).is_suspicious
    assert not Growth(None, kept).is_suspicious


def test_who_goes_on_and_asks_for_fewer_steps_finds_what_was_above() -> None:
    growth = Growth(replace(HOW, steps=50))
    for value in (1.0, 1.0, *[100.0] * 20):
        growth.add({KEY: value})
    assert growth.exploded is None
    later = Growth(HOW, json.loads(json.dumps(growth.to_json())))
    later.add({KEY: 100.0})
    assert later.exploded is not None
    assert later.exploded.since == 3


def test_who_goes_on_and_asks_for_fewer_steps_still_takes_means() -> None:
    growth = Growth(replace(HOW, steps=50))
    for _ in range(10):
        growth.add({KEY: 8.0})
    later = Growth(HOW, json.loads(json.dumps(growth.to_json())))
    for _ in range(9):
        later.add({KEY: 0.5})
    assert later.exploded is None
    for _ in range(3):
        later.add({KEY: 40.0})
    assert later.exploded is not None  # held against 0.5, no longer against 8


def test_losses_of_good_trainings_that_grow_many_times_are_left_alone() -> None:
    """The default: T^2 KL of logits that differ by 10, with T from 1 to 20; agreement that ends."""
    teacher, student = torch.tensor([15.0, -15.0]), torch.tensor([5.0, -5.0])
    risen: list[float] = []
    for at in range(400):
        heat = 1 + 19 * at / 399
        said, own = (torch.log_softmax(one / heat, 0) for one in (teacher, student))
        risen.append(float(heat**2 * (said.exp() * (said - own)).sum()))
    assert max(risen) > 100 * risen[0]
    assert found_in(risen, DEFAULT) is None
    mutual = [3.0 * (1 - math.exp(-at / 50)) for at in range(400)]
    assert mutual[0] == 0
    assert found_in(mutual, DEFAULT) is None


def test_a_meter_hands_on_each_loss_once_across_epochs_and_no_values_of_schedules() -> None:
    meter = Meter(Growth(HOW))
    values = LossKey(TaskName("t"), "temperature")
    for step in range(1, 20):
        meter.add({KEY: torch.tensor(1.0 if step < 7 else 100.0), values: 1.0 if step < 7 else 1e9})
        meter.means()
        meter.values()
        if step == 5:
            meter = Meter(meter.growth)
    exploded = meter.exploded()
    assert exploded is not None
    assert exploded == (Exploded(KEY, 100.0, 20.0, since=7, batches=3), 12)


@pytest.mark.parametrize("cut", range(1, 13))
def test_going_on_from_a_checkpoint_finds_the_same(cut: int) -> None:
    values = [2, 2, 2, 1, 1, 1.5, 25, 3, 26, 27, 3, 28, 29]
    first = Growth(HOW)
    for value in values[:cut]:
        first.add({KEY: value})
    again = Growth(HOW, json.loads(json.dumps(first.to_json())))
    assert again.is_suspicious == first.is_suspicious
    for value in values[cut:]:
        again.add({KEY: value})
    assert (first.exploded or again.exploded) == found_in(values)


#: Of a net that learns well at first.
LATE = replace(SETTINGS, checkpoint_every=1, explosion=replace(DEFAULT, steps=4))


def explodes_at(step: int = 9) -> Net:
    """What a head says is ten thousand times as large from a step on."""
    net = IMAGES.net()

    def grown(module: nn.Module, given: Any, output: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        del module, given
        if steps_of(net) < step or not net.training:
            return output
        return {**output, "shape": output["shape"] * 1e4}

    net.register_forward_hook(grown)
    return net


def stopped(directory: Path, settings: TrainSettings = WILD, *, resume: bool = False) -> str:
    build = explodes_at if settings.lr == LATE.lr else IMAGES.net
    with pytest.raises(Kd2edgeError, match="explodes") as found:
        train(job(directory, build, settings), resume=resume)
    assert found.value.exit_code == 1
    return str(found.value)


def test_a_rate_far_too_large_is_stopped_with_task_loss_step_and_rows(tmp_path: Path) -> None:
    message = stopped(tmp_path)
    found, this = failed(tmp_path), job(tmp_path, IMAGES.net)
    assert message.startswith(f"student, step {found['step']}, epoch {found['epoch']}: loss task")
    assert "(memory:" in message
    assert "Lower train.lr" in message
    assert "train.explosion" in message
    assert found["what"]["kind"] == "explosion"
    assert found["what"]["task"] in {"shape", "dark"}
    assert float(found["what"]["value"]) > found["what"]["limit"] >= 100
    step, epoch = found["step"] - 1, found["epoch"] - 1
    plan = this.plan(this.objective())
    assert [one["position"] for one in found["rows"]] == plan.batches(epoch)[step % 7].tolist()
    assert not (tmp_path / "net.safetensors").exists()


def test_the_first_of_its_steps_may_lie_in_an_earlier_epoch(tmp_path: Path) -> None:
    """Seven steps an epoch: what began in the first is known after its end."""
    stopped(tmp_path, replace(WILD, explosion=replace(DEFAULT, steps=9)))
    found, this = failed(tmp_path), job(tmp_path, IMAGES.net)
    assert (found["epoch"], found["step"] <= 7) == (1, True)
    batches = this.plan(this.objective()).batches(0)
    assert [one["position"] for one in found["rows"]] == batches[found["step"] - 1].tolist()


def test_the_last_good_checkpoint_stays_and_the_state_before_the_step_is_kept(
    tmp_path: Path,
) -> None:
    stopped(tmp_path, LATE)
    step = failed(tmp_path)["step"]
    good, (_, kept) = (
        load_checkpoint(tmp_path / "checkpoints"),
        load_failed(tmp_path / "checkpoints"),
    )
    assert good is not None
    assert step == 9
    assert good.state["cursor"]["step"] == kept.state["cursor"]["step"] == step - 1
    assert all(torch.equal(kept.tensors[name], one) for name, one in good.tensors.items())


def test_the_step_can_be_taken_again(tmp_path: Path) -> None:
    stopped(tmp_path)
    found = replay(job(tmp_path, IMAGES.net, WILD))
    what = failed(tmp_path)["what"]
    key = LossKey(TaskName(what["task"]), what["loss"])
    assert found.losses[key] == float(what["value"])
    assert isinstance(found.what, Exploded)
    assert found.what.value == found.losses[key]
    assert found.rows[key][0].value >= found.rows[key][-1].value


def test_a_step_that_no_longer_explodes_is_replayed_as_sound(tmp_path: Path) -> None:
    stopped(tmp_path)
    path = tmp_path / "checkpoints" / "failed" / "failed.json"
    what = json.loads(path.read_text(encoding="utf-8"))
    what["what"]["limit"] = 1e9
    path.write_text(json.dumps(what), encoding="utf-8")
    assert replay(job(tmp_path, IMAGES.net, WILD)).what is None


def test_interrupted_and_resumed_it_stops_at_the_same_step(tmp_path: Path) -> None:
    stopped(tmp_path / "whole", LATE)
    step = failed(tmp_path / "whole")["step"]
    asked = iter(range(1, 1000))
    with pytest.raises(Interrupted):
        train(job(tmp_path / "cut", explodes_at, LATE), stop=lambda: next(asked) == step - 2)
    stopped(tmp_path / "cut", LATE, resume=True)
    for key in ("step", "what", "rows"):
        assert failed(tmp_path / "cut")[key] == failed(tmp_path / "whole")[key]


def test_a_checkpoint_amid_its_steps_is_said_to_be_of_a_later_one(tmp_path: Path) -> None:
    """Ctrl-C saves whatever there is."""
    stopped(tmp_path / "whole", LATE)
    step = failed(tmp_path / "whole")["step"]
    asked = iter(range(1, 1000))
    with pytest.raises(Interrupted):
        train(job(tmp_path / "cut", explodes_at, LATE), stop=lambda: next(asked) == step + 1)
    message = stopped(tmp_path / "cut", LATE, resume=True)
    assert failed(tmp_path / "cut")["step"] == step
    assert f"the last checkpoint is of a later step ({step + 1})" in message


def test_who_means_it_goes_on_without_beginning_anew(tmp_path: Path) -> None:
    """Weights do not depend on when somebody stops."""
    stopped(tmp_path, LATE)
    result = train(job(tmp_path, explodes_at, replace(LATE, explosion=None)), resume=True)
    assert result.steps == 21
    assert not (tmp_path / "checkpoints" / "failed").exists()


def test_it_changes_no_bit_of_a_good_training(tmp_path: Path) -> None:
    losses: list[bytes] = []
    for name, how in (("with", DEFAULT), ("without", None)):
        settings = replace(SETTINGS, explosion=how, distill=replace(DISTILL, alpha=0.0))
        train(job(tmp_path / name, IMAGES.net, settings))
        losses.append((tmp_path / name / "net.safetensors").read_bytes())
    assert losses[0] == losses[1]
