"""A step that went wrong is found, named and kept; the last good checkpoint stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from distill.planted import (
    SETTINGS,
    contents,
    failed,
    gradient_breaks_at,
    job,
    loss_breaks_at,
)
from distill.tiny import IMAGES
from kd2edge.distill import train
from kd2edge.distill.checkpoint import load_checkpoint
from kd2edge.distill.failed import load_failed
from kd2edge.errors import Interrupted, Kd2edgeError, StorageError, UsageError
from kd2edge.events import Event, SavedEvent, StepEvent


def stopped(directory: Path, build: object, *, resume: bool = False, **settings: object) -> str:
    with pytest.raises(Kd2edgeError) as found:
        train(job(directory, build, replace(SETTINGS, **settings)), resume=resume)
    assert found.value.exit_code == 1
    return str(found.value)


def test_a_loss_names_task_step_epoch_and_every_row_of_the_batch(tmp_path: Path) -> None:
    message = stopped(tmp_path, lambda: loss_breaks_at(12, "dark"))
    assert message.startswith("student, step 12, epoch 2: loss task of dark is nan; rows ")
    assert "(memory:" in message
    assert "Lower train.lr" in message
    found, this = failed(tmp_path), job(tmp_path, IMAGES.net)
    plan = this.plan(this.objective())
    assert [one["position"] for one in found["rows"]] == plan.batches(1)[4].tolist()
    assert this.rows is not None
    assert all(one["place"] == this.rows.place(one["position"]) for one in found["rows"])
    assert found["what"] == {
        "kind": "loss", "value": "nan", "task": "dark", "loss": "task", "parameter": "",
    }  # fmt: skip


def test_a_gradient_is_named_where_only_the_next_loss_is_not_finite(tmp_path: Path) -> None:
    message = stopped(tmp_path, lambda: gradient_breaks_at(12))
    assert "step 12, epoch 2: all losses are finite, but the gradient of net.heads." in message
    assert failed(tmp_path)["noticed"]["step"] == 13
    assert failed(tmp_path)["what"]["value"] == "inf"


@pytest.mark.parametrize("breaks", [gradient_breaks_at, loss_breaks_at])
def test_the_state_before_the_step_is_kept_to_the_bit(tmp_path: Path, breaks: object) -> None:
    stopped(tmp_path / "broken", lambda: breaks(12))
    steps = iter(range(1, 100))
    with pytest.raises(Interrupted):
        train(job(tmp_path / "good", IMAGES.net), stop=lambda: next(steps) == 11)
    good = load_checkpoint(tmp_path / "good" / "checkpoints")
    _, kept = load_failed(tmp_path / "broken" / "checkpoints")
    assert good is not None
    assert kept.tensors.keys() == good.tensors.keys()
    assert all(torch.equal(kept.tensors[name], one) for name, one in good.tensors.items())
    timed = {"earlier_seconds", "curves"}
    for name in good.state["cursor"].keys() - timed:
        assert kept.state["cursor"][name] == good.state["cursor"][name]


def test_the_last_good_checkpoint_is_untouched_and_the_search_tells_nothing(tmp_path: Path) -> None:
    """Losses are read at step 10, where the epoch ends (14), and never after that."""
    events: list[Event] = []
    saved: dict[str, bytes] = {}

    def note(event: Event) -> None:
        events.append(event)
        if isinstance(event, SavedEvent):
            saved.clear()
            saved.update(contents(tmp_path / "checkpoints"))

    with pytest.raises(Kd2edgeError, match="step 12"):
        train(job(tmp_path, lambda: gradient_breaks_at(12)), on_event=note)
    assert [one.step for one in events if isinstance(one, SavedEvent)] == [5, 10]
    assert [one.step for one in events if isinstance(one, StepEvent)] == [10]
    after = contents(tmp_path / "checkpoints")
    assert {name: one for name, one in after.items() if not name.startswith("failed/")} == saved
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "net.safetensors").exists()


def test_weights_that_break_at_a_checkpoints_step_do_not_replace_it(tmp_path: Path) -> None:
    """All losses of steps 1 to 10 are finite, the weights that step 10 leaves are not."""
    assert "step 10, epoch 2" in stopped(tmp_path, lambda: gradient_breaks_at(10))
    found = load_checkpoint(tmp_path / "checkpoints")
    assert found is not None
    assert found.state["cursor"]["step"] == 5


def test_weights_that_break_in_the_last_step_are_no_result(tmp_path: Path) -> None:
    assert "step 21, epoch 3" in stopped(tmp_path, lambda: gradient_breaks_at(21))
    assert not (tmp_path / "net.safetensors").exists()


def test_an_update_too_large_is_named_by_its_weight(tmp_path: Path) -> None:
    """Steps of Adam are as large as the rate, and float32 ends at 3.4e38."""
    message = stopped(tmp_path, IMAGES.net, lr=3e38, warmup=0.0)
    assert "step 1, epoch 1: losses and gradients are finite, but net." in message
    assert "becomes " in message
    assert failed(tmp_path)["what"]["kind"] == "weight"


@pytest.mark.parametrize("breaks", [gradient_breaks_at, loss_breaks_at])
def test_the_first_step_of_all(tmp_path: Path, breaks: object) -> None:
    assert "step 1, epoch 1" in stopped(tmp_path, lambda: breaks(1))
    assert load_checkpoint(tmp_path / "checkpoints") is None
    assert load_failed(tmp_path / "checkpoints")[1].state["cursor"]["step"] == 0


def test_resuming_with_nothing_changed_stops_at_the_same_step(tmp_path: Path) -> None:
    first = stopped(tmp_path, lambda: gradient_breaks_at(12))
    before = contents(tmp_path / "checkpoints" / "failed")
    assert stopped(tmp_path, lambda: gradient_breaks_at(12), resume=True) == first
    after = contents(tmp_path / "checkpoints" / "failed")
    assert after.keys() == before.keys()
    assert after["failed.json"] == before["failed.json"]


def test_resuming_with_another_rate_is_refused_as_ever(tmp_path: Path) -> None:
    stopped(tmp_path, lambda: gradient_breaks_at(12))
    before = contents(tmp_path)
    with pytest.raises(UsageError, match="belongs to another net, or to other settings"):
        train(job(tmp_path, IMAGES.net, replace(SETTINGS, lr=1e-4)), resume=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("resume", [True, False])
def test_a_training_that_ends_well_leaves_no_failed_step(tmp_path: Path, resume: bool) -> None:
    stopped(tmp_path, lambda: gradient_breaks_at(12))
    train(job(tmp_path, IMAGES.net), resume=resume)
    assert not (tmp_path / "checkpoints" / "failed").exists()


def test_a_step_that_is_not_met_again_is_said_to_be_so(tmp_path: Path) -> None:
    nets = iter([loss_breaks_at(12), IMAGES.net()])
    message = stopped(tmp_path, lambda: next(nets))
    assert message.startswith("student, step 12, epoch 2: loss task of shape is nan; rows ")
    assert "the step was not met again: trained again to step 12, everything stayed" in message
    assert len(failed(tmp_path)["rows"]) == 8
    with pytest.raises(UsageError, match="was not kept: trained again to step 12"):
        load_failed(tmp_path / "checkpoints")


def test_a_search_that_is_stopped_says_so(tmp_path: Path) -> None:
    """Ctrl-C after step 7 wants to save, which is when losses are read; the search heeds it too."""
    asked = iter(range(1, 100))
    with pytest.raises(Kd2edgeError, match="not met again: it was stopped") as found:
        train(
            job(tmp_path, lambda: loss_breaks_at(1), replace(SETTINGS, checkpoint_every=100)),
            stop=lambda: next(asked) > 6,
        )
    assert "loss task of shape is nan" in str(found.value)


def test_a_disk_that_is_full_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageError("disk full")

    monkeypatch.setattr("kd2edge.distill.retrace.keep_failed", full)
    message = stopped(tmp_path, lambda: loss_breaks_at(2))
    assert "step 2, epoch 1: loss task of shape is nan" in message
    assert "could not be kept (disk full)" in message


def test_generators_and_threads_are_left_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    stopped(tmp_path, lambda: loss_breaks_at(12), threads=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
