"""Trainings beside each other: what the student keeps of it, and what resuming gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distill import tiny
from distill.balance.terms import options, require_solver
from distill.planted import SETTINGS, failed, gradient_breaks_at, job, loss_breaks_at
from distill.tiny import DISTILL, IMAGES, TRAIN, image_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import (
    Knowledge,
    Method,
    Mixup,
    Peer,
    TrainingJob,
    TrainResult,
    TrainSettings,
    knowledge_of,
    metric_values,
    predict_split,
    train,
)
from kd2edge.distill.balance import LossKey
from kd2edge.distill.checkpoint import load_checkpoint
from kd2edge.distill.peer_training import PeerTraining
from kd2edge.distill.random_state import random_state
from kd2edge.distill.replay import replay
from kd2edge.distill.schedule import Moment
from kd2edge.distill.schedules.curriculum import Curriculum
from kd2edge.distill.schedules.progress import Progress
from kd2edge.errors import DataError, Interrupted, Kd2edgeError, UsageError
from kd2edge.events import EpochEvent, Event
from kd2edge.nets import Net, load_net
from kd2edge.tasks.spec import TaskName
from kd2edge.teacher import cache_outputs

#: What has a state, and peers.
FULL = replace(tiny.FULL, distill=replace(tiny.FULL.distill, mutual=1.0))
#: Labels and peers alone.
PLAIN = replace(TRAIN, distill=replace(DISTILL, alpha=0.0, mutual=1.0))


@pytest.fixture
def split(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows())


@pytest.fixture
def validation(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows(12, 0, seed=3))


@pytest.fixture
def knowledge(split: EncodedSplit, tmp_path: Path) -> Knowledge:
    cache = cache_outputs(
        IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks, features=("stages.1",)
    )
    lacks = {task.name: 0.3 for task in IMAGES.tasks}
    return replace(knowledge_of({"t": cache}), lacks=lacks)


Run = Callable[..., TrainResult]


@pytest.fixture
def run(split: EncodedSplit, validation: EncodedSplit, knowledge: Knowledge) -> Run:
    """Train a student beside peers."""

    def run(folder: Path, settings: TrainSettings, peers: list[Peer], **how: Any) -> TrainResult:
        taught = settings.distill.alpha != 0.0
        this = TrainingJob(
            name="student", build=IMAGES.net, origin="student", tasks=IMAGES.tasks, train=split,
            validation=validation, settings=settings, stem=folder / "net", checkpoints=folder,
            knowledge=knowledge if taught else None, peers=peers,
        )  # fmt: skip
        return train(this, **how)

    return run


class Kept:
    """Peers whose nets are kept for the test to look at."""

    def __init__(self, split: EncodedSplit, validation: EncodedSplit | None) -> None:
        self.nets: dict[str, Net] = {}
        self._splits = split, validation

    def peer(self, name: str, seed: int, *, teacher: bool = False, **changes: Any) -> Peer:
        def build() -> Net:
            self.nets[name] = IMAGES.net(seed=seed, teacher=teacher)
            return self.nets[name]

        train, validation = self._splits
        return replace(Peer(name, build, [name, teacher], train, validation, seed, 1e-2), **changes)

    def two(self) -> list[Peer]:
        return [self.peer("small", 7), self.peer("large", 8, teacher=True, lr=5e-3)]


@pytest.fixture
def kept(split: EncodedSplit, validation: EncodedSplit) -> Kept:
    return Kept(split, validation)


def weights(net: Net) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("mixup", [None, Mixup(0.4, "features")], ids=["plain", "mixed"])
def test_a_student_that_does_not_listen_has_the_bits_of_one_without_peers(
    run: Run, kept: Kept, tmp_path: Path, mixup: Mixup | None
) -> None:
    distill = replace(FULL.distill, mutual=0.0)
    if mixup is not None:
        distill = replace(distill, features=())
    settings = replace(FULL, distill=distill, mixup=mixup)
    alone = run(tmp_path / "alone", settings, [])
    beside = run(tmp_path / "beside", settings, kept.two())
    nets = [weights(load_net(tmp_path / name / "net")) for name in ("alone", "beside")]
    assert same(*nets)
    assert [one.train for one in alone.curves] == [one.train for one in beside.curves]
    assert [one.validation for one in alone.curves] == [one.validation for one in beside.curves]


def test_a_student_that_listens_is_another_and_stays_a_plain_net(
    run: Run, kept: Kept, tmp_path: Path
) -> None:
    silent = replace(PLAIN, distill=replace(PLAIN.distill, mutual=0.0))
    run(tmp_path / "alone", silent, [])
    run(tmp_path / "beside", PLAIN, kept.two())
    one, two = (weights(load_net(tmp_path / name / "net")) for name in ("alone", "beside"))
    assert one.keys() == two.keys()
    assert not same(one, two)
    checkpoint = load_checkpoint(tmp_path / "beside")
    assert checkpoint is not None
    assert not any(name.startswith("peers/") for name in checkpoint.tensors)  # it is finished


@pytest.mark.parametrize("after", [3, 7, 16])
@pytest.mark.parametrize("settings", [FULL, replace(PLAIN, mixup=Mixup(0.4, "inputs"))],
                         ids=["full", "mixed"])  # fmt: skip
def test_stopped_and_resumed_all_nets_have_the_same_bits(
    run: Run, kept: Kept, tmp_path: Path, settings: TrainSettings, after: int
) -> None:
    """7 steps an epoch: within the first, at its end, in the last."""
    expected = run(tmp_path / "whole", settings, kept.two())
    nets = {name: weights(net) for name, net in kept.nets.items()}
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", settings, kept.two(), stop=lambda: next(counter) == after)
    assert not same(weights(kept.nets["small"]), nets["small"])
    found = run(tmp_path / "parts", settings, kept.two(), resume=True)
    assert {name: same(weights(net), nets[name]) for name, net in kept.nets.items()} == {
        "small": True, "large": True,
    }  # fmt: skip
    one, two = (load_net(tmp_path / name / "net") for name in ("whole", "parts"))
    assert same(weights(one), weights(two))
    curves = [[replace(point, seconds=0.0) for point in one.curves] for one in (expected, found)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("name", ["dwa", "famo", "gradnorm", "cagrad", "random"])
def test_any_balancer_of_the_student_sees_what_peers_say_as_part_of_the_task(
    run: Run, kept: Kept, tmp_path: Path, name: str
) -> None:
    require_solver(name)
    distill = replace(FULL.distill, balance=Method(name, options(name)))
    settings = replace(FULL, distill=distill, epochs=2)
    run(tmp_path / "whole", settings, kept.two())
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        run(tmp_path / "parts", settings, kept.two(), stop=lambda: next(counter) == 9)
    run(tmp_path / "parts", settings, kept.two(), resume=True)
    one, two = (load_net(tmp_path / part / "net") for part in ("whole", "parts"))
    assert same(weights(one), weights(two))


@pytest.mark.parametrize(
    "changes", [{"seed": 9}, {"lr": 1e-3}, {"name": "other"}, {"origin": "else"}, None]
)
def test_another_peer_is_another_training(
    run: Run, kept: Kept, tmp_path: Path, changes: dict[str, Any] | None
) -> None:
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        run(tmp_path, PLAIN, [kept.peer("one", 7)], stop=lambda: next(counter) == 2)
    peers = [] if changes is None else [replace(kept.peer("one", 7), **changes)]
    silent = replace(PLAIN, distill=replace(PLAIN.distill, mutual=0.0))
    with pytest.raises(UsageError, match="run without --resume to train again"):
        run(tmp_path, silent if changes is None else PLAIN, peers, resume=True)


def test_each_validation_tells_how_good_the_peers_are(
    run: Run, kept: Kept, validation: EncodedSplit, tmp_path: Path
) -> None:
    events: list[Event] = []
    settings = replace(PLAIN, epochs=3, validate_every=2)
    result = run(tmp_path, settings, kept.two(), on_event=events.append)
    told = [one.peers for one in events if isinstance(one, EpochEvent)]
    assert [set(one) for one in told] == [set(), {"small", "large"}, {"small", "large"}]
    assert [one.peers for one in result.curves] == told
    for name, net in kept.nets.items():
        said = predict_split(net, validation, IMAGES.tasks, batch_size=8, device="cpu")
        assert told[-1][name] == metric_values(IMAGES.tasks, validation, said)


def test_peers_without_validation_rows_are_not_measured(
    run: Run, split: EncodedSplit, tmp_path: Path
) -> None:
    result = run(tmp_path, replace(PLAIN, epochs=1), Kept(split, None).two())
    assert result.curves[0].peers == {"small": {}, "large": {}}


def broken(tmp_path: Path) -> TrainingJob:
    """A sound student whose peer gives NaN in step 12."""
    distill = replace(SETTINGS.distill, mutual=1.0)
    this = job(tmp_path, IMAGES.net, replace(SETTINGS, distill=distill))
    peer = Peer("odd", lambda: loss_breaks_at(12), "odd", this.train, this.validation, 5, 1e-2)
    return replace(this, peers=[peer])


def test_a_peer_that_is_no_longer_finite_is_named_and_replayed(tmp_path: Path) -> None:
    this = broken(tmp_path)
    with pytest.raises(Kd2edgeError, match="step 12, epoch 2: peer odd: loss task of shape is nan"):
        train(this)
    what = failed(tmp_path)["what"]
    assert (failed(tmp_path)["step"], what["peer"], what["task"]) == (12, "odd", "shape")
    found = replay(this)
    assert found.what is not None
    assert found.what.to_json() == what
    assert {key.peer for key in found.losses} == {"", "odd"}
    assert any(one.module.startswith("peers/odd/") for one in found.peaks)
    assert any(name.startswith("peers/odd/net.") for name in found.gradients)
    rows = found.rows[LossKey(TaskName("shape"), "mutual", "odd")]
    assert len(rows) == 8


def test_a_student_that_is_no_longer_finite_is_not_taken_for_its_peers(tmp_path: Path) -> None:
    sound = broken(tmp_path)
    peers = [replace(one, build=IMAGES.net) for one in sound.peers]
    with pytest.raises(Kd2edgeError, match="step 12, epoch 2: loss task of shape is nan"):
        train(replace(sound, build=lambda: loss_breaks_at(12), peers=peers))


def test_a_peer_that_nobody_hears_is_watched_too(tmp_path: Path) -> None:
    this = broken(tmp_path)
    silent = replace(this.settings.distill, mutual=0.0)
    with pytest.raises(Kd2edgeError, match="peer odd: loss task of shape is nan"):
        train(replace(this, settings=replace(this.settings, distill=silent)))


def test_a_peers_gradient_and_weights_bear_its_name(tmp_path: Path) -> None:
    this = broken(tmp_path)
    peers = [replace(one, build=lambda: gradient_breaks_at(12)) for one in this.peers]
    with pytest.raises(Kd2edgeError, match="step 12, .* the gradient of peers/odd/net.* is inf"):
        train(replace(this, peers=peers))


def test_a_peer_that_reads_the_rows_by_itself_reads_the_same(
    run: Run, kept: Kept, tmp_path: Path
) -> None:
    own = IMAGES.split(tmp_path / "own", image_rows())
    run(tmp_path / "shared", PLAIN, [kept.peer("one", 7)])
    run(tmp_path / "apart", PLAIN, [kept.peer("one", 7, train=own)])
    one, two = (weights(load_net(tmp_path / name / "net")) for name in ("shared", "apart"))
    assert same(one, two)


def test_peers_of_other_rows_are_refused(run: Run, kept: Kept, tmp_path: Path) -> None:
    other = IMAGES.split(tmp_path, image_rows(seed=5))
    with pytest.raises(DataError, match="peer one: expected the 50 training rows of the student"):
        run(tmp_path, PLAIN, [kept.peer("one", 7, train=other)])


def test_to_listen_without_anybody_to_hear_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mutual is 1, and no net learns beside it"):
        run(tmp_path, PLAIN, [])


def test_a_temperature_that_learns_needs_a_teacher(run: Run, kept: Kept, tmp_path: Path) -> None:
    learned = Curriculum(4.0, 1.0, 20.0, 1.0, 0.5)
    settings = replace(PLAIN, distill=replace(PLAIN.distill, temperature=learned))
    with pytest.raises(UsageError, match="temperature of shape: curriculum learns from what teach"):
        run(tmp_path, settings, kept.two())
    taught = replace(FULL, epochs=1, distill=replace(FULL.distill, temperature=learned))
    run(tmp_path, taught, kept.two())


def test_only_what_is_said_of_the_students_modules_is_left_out_for_a_peer(kept: Kept) -> None:
    student = replace(
        FULL,
        freeze=("stages.0",),
        layer_decay=0.5,
        rates={"heads": 2.0},
        mixup=Mixup(1.0, "inputs"),
    )
    found = kept.peer("one", 7, lr=0.5).settings(student)
    distill = replace(student.distill, features=(), balance=Method("static"))
    expected = replace(student, lr=0.5, freeze=(), layer_decay=1.0, rates={}, distill=distill)
    assert found == expected


def test_a_peer_draws_from_its_own_generators(
    split: EncodedSplit, validation: EncodedSplit, kept: Kept, tmp_path: Path
) -> None:
    this = TrainingJob(
        name="student", build=IMAGES.net, origin="student", tasks=IMAGES.tasks, train=split,
        validation=validation, settings=PLAIN, stem=tmp_path / "net", checkpoints=tmp_path,
    )  # fmt: skip
    before = random_state()
    beside = PeerTraining(kept.peer("one", 7), this, torch.device("cpu"), "fp32")

    def drawn() -> list[float]:
        with beside.randomness():
            return [torch.rand(1).item(), np.random.rand()]  # noqa: NPY002

    first, second = drawn(), drawn()
    assert first != second
    again = PeerTraining(kept.peer("one", 7), this, torch.device("cpu"), "fp32")
    again.restore(beside.tensors())
    third = drawn()
    with again.randomness():
        assert [torch.rand(1).item(), np.random.rand()] == third  # noqa: NPY002
    after = random_state()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_peers_schedules_look_at_its_own_training(
    run: Run, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float | None] = []
    metric = Moment.metric

    def noted(self: Moment) -> float | None:
        found = metric(self)
        seen.append(found)
        return found

    monkeypatch.setattr(Moment, "metric", noted)
    alpha = Progress(1.0, 1.0, 0.5)
    settings = replace(FULL, epochs=2, distill=replace(FULL.distill, alpha=alpha))
    result = run(tmp_path, settings, [kept.peer("one", 7)])
    own = [*result.curves[0].validation.values(), *result.curves[0].peers["one"].values()]
    # Seven steps of an epoch, two tasks, two nets; each as it was measured itself.
    assert seen == [None] * 28 + own * 7
