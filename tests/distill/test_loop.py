from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.balance.terms import options, require_solver
from distill.tiny import (
    DARK,
    DISTILL,
    FULL,
    IMAGES,
    SHAPE,
    TAG,
    TOKENS,
    TRAIN,
    World,
    follow,
    image_rows,
    token_rows,
)
from kd2edge.data import EncodedSplit, Step, Views
from kd2edge.distill import (
    FeatureSpec,
    Knowledge,
    LongTailSpec,
    Method,
    Mixup,
    Moment,
    Sampling,
    Schedule,
    Support,
    TrainingJob,
    TrainResult,
    TrainSettings,
    knowledge_of,
    metric_values,
    predict_split,
    train,
)
from kd2edge.distill.balance import BALANCERS
from kd2edge.distill.features import FEATURE_LOSSES
from kd2edge.distill.loss import Given, Loss, Need, Sizes
from kd2edge.distill.plan import plan_of
from kd2edge.distill.random_state import own_randomness, random_state
from kd2edge.distill.schedules import SCHEDULES
from kd2edge.distill.schedules.correct import Correct
from kd2edge.distill.schedules.curriculum import Curriculum
from kd2edge.distill.schedules.labelled import Labelled
from kd2edge.distill.schedules.linear import Linear
from kd2edge.distill.schedules.progress import Progress
from kd2edge.errors import DataError, IntegrityError, Interrupted, Kd2edgeError, UsageError
from kd2edge.events import BeginEvent, EpochEvent, Event, ResumedEvent, SavedEvent, StepEvent
from kd2edge.nets import Net, describe_net, load_net
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.recipe.schema.schedules import AlphaSchedule
from kd2edge.rows.join import JoinedRows
from kd2edge.teacher import cache_outputs

PLAIN = TRAIN


_HOW = ("resume", "on_event", "stop")


@dataclass(frozen=True)
class Lesson:
    """What a student learns from."""

    world: World
    train: EncodedSplit
    validation: EncodedSplit
    knowledge: Knowledge
    sources: np.ndarray | None = None

    def job(self, net: Net, directory: Path, settings: TrainSettings, **more: Any) -> TrainingJob:
        return TrainingJob(
            **{
                "name": "student",
                "build": lambda: net,
                "origin": "student",
                "tasks": self.world.tasks,
                "train": self.train,
                "validation": self.validation,
                "settings": settings,
                "stem": directory / "net",
                "checkpoints": directory,
                "knowledge": self.knowledge,
                "sources": self.sources,
                **more,
            }
        )

    def run(
        self, net: Net, directory: Path, settings: TrainSettings, **options: Any
    ) -> TrainResult:
        how = {name: options.pop(name) for name in _HOW if name in options}
        return train(self.job(net, directory, settings, **options), **how)


def lesson(
    world: World,
    rows: Callable[..., JoinedRows],
    source: str,
    directory: Path,
    views: Views | None = None,
) -> Lesson:
    split = world.split(directory, rows(), views=views)
    cache = cache_outputs(
        world.net_teacher(), split, directory, tasks=world.tasks, features=(source,)
    )
    validation = world.split(directory, rows(12, 0, seed=3))
    lacks = {task.name: 0.3 for task in world.tasks}
    return Lesson(world, split, validation, replace(knowledge_of({"t": cache}), lacks=lacks))


@pytest.fixture
def images(tmp_path: Path) -> Lesson:
    return lesson(
        IMAGES,
        image_rows,
        "stages.1",
        tmp_path,
        Views(2, {"image": [Step("shift", {"pixels": 1})]}),
    )


@pytest.fixture
def tokens(tmp_path: Path) -> Lesson:
    return lesson(TOKENS, token_rows, "encoder.layer.1", tmp_path)


def weights(net: Net) -> dict[str, Tensor]:
    return {name: one.clone() for name, one in net.state_dict().items()}


def assert_same_bits(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> None:
    assert set(one) == set(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


def without_time(result: TrainResult) -> TrainResult:
    curves = tuple(replace(point, seconds=0.0) for point in result.curves)
    return replace(result, seconds=0.0, curves=curves)


@pytest.mark.parametrize("stops", [(1,), (7,), (10,), (14, 15), (21,)])
def test_interrupted_and_resumed_gives_the_same_bits(
    images: Lesson, tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """7 steps an epoch: within the first one, at its end, in the middle, at the very end."""
    whole, parts = IMAGES.net(), IMAGES.net()
    expected = images.run(whole, tmp_path / "whole", FULL)
    for count, at in enumerate(stops):
        counter = iter(range(stops[count - 1] + 1 if count else 1, 100))
        with pytest.raises(Interrupted, match=rf"after step {at} of 21.*--resume") as caught:
            images.run(
                parts,
                tmp_path / "parts",
                FULL,
                resume=count > 0,
                stop=lambda counter=counter, at=at: next(counter) == at,
            )
        assert caught.value.exit_code == 130
        parts = IMAGES.net(seed=50 + count)  # a new process has other weights at first
    found = images.run(parts, tmp_path / "parts", FULL, resume=True)
    assert_same_bits(weights(parts), weights(whole))
    assert without_time(found) == without_time(expected)


def assert_resumes(
    lesson: Lesson, whole: Net, parts: Net, settings: TrainSettings, folder: Path, *, after: int
) -> None:
    """``parts``, stopped after some steps and resumed, gets the bits of ``whole``."""
    lesson.run(whole, folder / "whole", settings)
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        lesson.run(parts, folder / "parts", settings, stop=lambda: next(counter) == after)
    lesson.run(parts, folder / "parts", settings, resume=True)
    assert_same_bits(weights(parts), weights(whole))


@pytest.mark.parametrize("at", ["inputs", "features"])
def test_mixed_rows_resume_to_the_same_bits(images: Lesson, tmp_path: Path, at: str) -> None:
    settings = replace(PLAIN, mixup=Mixup(0.4, at))
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=10)


def test_text_nets_resume_to_the_same_bits_too(tokens: Lesson, tmp_path: Path) -> None:
    spec = follow("encoder.layer.1", "encoder.layer.0")
    settings = replace(FULL, distill=replace(FULL.distill, features=(spec,)))
    assert_resumes(tokens, TOKENS.net(), TOKENS.net(), settings, tmp_path, after=6)


@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_every_balancer_resumes_to_the_same_bits(images: Lesson, tmp_path: Path, name: str) -> None:
    """Stopped in the last of three epochs, when all of them have something to remember."""
    require_solver(name)
    distill = replace(FULL.distill, balance=Method(name, options(name)))
    settings = replace(FULL, distill=distill)
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=16)


@pytest.mark.parametrize(
    ("name", "options"),
    [("logit_adjustment", {"tau": 1.0, "teacher": True}), ("class_balanced", {"beta": 0.99})],
)
def test_long_tails_resume_to_the_same_bits(
    tokens: Lesson, tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    spec = LongTailSpec(Method(name, options), Support((90, 10), 50))
    settings = replace(FULL, distill=replace(DISTILL, long_tail={TAG.name: spec}))
    whole = TOKENS.net()
    assert_resumes(tokens, whole, TOKENS.net(), settings, tmp_path, after=6)
    plain = TOKENS.net()
    tokens.run(plain, tmp_path / "plain", replace(FULL, distill=DISTILL))
    first = next(iter(weights(whole)))
    assert not torch.equal(weights(plain)[first], weights(whole)[first])


@pytest.mark.parametrize("gradients", ["features", "parameters"])
def test_gradients_of_words_and_rows_are_balanced_in_bf16(
    tokens: Lesson, tmp_path: Path, gradients: str
) -> None:
    balance = Method("mgda", {"gradients": gradients, "over": "terms"})
    settings = replace(FULL, precision="bf16", distill=replace(DISTILL, balance=balance))
    net = TOKENS.net()
    before = weights(net)
    tokens.run(net, tmp_path, settings)
    after = weights(net)
    assert all(after[name].isfinite().all() for name in before)
    assert all(not torch.equal(after[name], before[name]) for name, _ in net.named_parameters())


class MemoryBank(Loss):
    """Pulls each row towards what the student said of it in earlier epochs."""

    needs = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.ROWS})
    bank: Tensor

    def prepare(self, sizes: Sizes) -> None:
        self.register_buffer("bank", torch.zeros(sizes.rows, *sizes.student))

    def forward(self, given: Given) -> Tensor:
        student, rows = given.need(Need.STUDENT_FEATURES), given.need(Need.ROWS)
        distance = (student - self.bank[rows]).square().mean()
        self.bank = self.bank.index_add(0, rows, student.detach(), alpha=0.1)
        return distance


def test_a_loss_with_a_memory_of_every_row_resumes_to_the_same_bits(
    images: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FEATURE_LOSSES, "bank", MemoryBank)
    spec = follow("stages.1", "stages.0", "bank")
    settings = replace(FULL, distill=replace(FULL.distill, features=(spec,)))
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=10)


@pytest.mark.parametrize(
    "spec",
    [
        follow("stages.1", "stages.0", "crd", width=5, negatives=7),
        follow("stages.1", "stages.0", "queue_similarity", size=12),
        follow("stages.1", "stages.0", "mse", projector="conv", standardise="z_score"),
    ],
    ids=lambda spec: spec.loss.kind,
)
def test_losses_that_remember_resume_to_the_same_bits(
    images: Lesson, tmp_path: Path, spec: FeatureSpec
) -> None:
    settings = replace(FULL, distill=replace(FULL.distill, features=(spec,)))
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=10)


def test_ctrl_c_saves_at_the_end_of_the_step(images: Lesson, tmp_path: Path) -> None:
    def press(event: Event) -> None:
        if isinstance(event, StepEvent):
            signal.raise_signal(signal.SIGINT)

    whole, parts = IMAGES.net(), IMAGES.net()
    images.run(whole, tmp_path / "whole", FULL)
    with pytest.raises(Interrupted, match="after step 10"):
        images.run(parts, tmp_path / "parts", FULL, on_event=press)
    images.run(parts, tmp_path / "parts", FULL, resume=True)
    assert_same_bits(weights(parts), weights(whole))


def test_ctrl_c_after_the_last_step_stops_too_and_nothing_is_trained_again(
    images: Lesson, tmp_path: Path
) -> None:
    def press(event: Event) -> None:
        if isinstance(event, EpochEvent) and event.epoch == FULL.epochs:
            signal.raise_signal(signal.SIGINT)

    steps: list[StepEvent] = []
    net, again = IMAGES.net(), IMAGES.net(seed=9)
    with pytest.raises(Interrupted, match="after step 21 of 21"):
        images.run(net, tmp_path / "run", FULL, on_event=press)
    images.run(
        again,
        tmp_path / "run",
        FULL,
        resume=True,
        on_event=lambda event: steps.append(event) if isinstance(event, StepEvent) else None,
    )
    assert not steps
    assert_same_bits(weights(again), weights(net))


def test_a_killed_run_goes_on_from_its_last_checkpoint(images: Lesson, tmp_path: Path) -> None:
    settings = replace(FULL, checkpoint_every=4)

    def kill(event: Event) -> None:
        if isinstance(event, EpochEvent) and event.epoch == 2:
            raise MemoryError

    whole, parts = IMAGES.net(), IMAGES.net()
    images.run(whole, tmp_path / "whole", FULL)
    with pytest.raises(MemoryError):
        images.run(parts, tmp_path / "parts", settings, on_event=kill)
    events: list[Event] = []
    again = IMAGES.net(seed=9)
    images.run(again, tmp_path / "parts", FULL, resume=True, on_event=events.append)
    assert isinstance(events[0], BeginEvent)
    assert isinstance(events[1], ResumedEvent)
    assert events[1].step == 12
    assert_same_bits(weights(again), weights(whole))


def test_a_finished_run_is_not_trained_again(images: Lesson, tmp_path: Path) -> None:
    net, again = IMAGES.net(), IMAGES.net(seed=9)
    first = images.run(net, tmp_path / "run", FULL)
    events: list[Event] = []
    second = images.run(again, tmp_path / "run", FULL, resume=True, on_event=events.append)
    assert [type(event) for event in events] == [ResumedEvent]
    assert second == first
    assert_same_bits(weights(again), weights(net))


def test_the_trained_net_is_saved_where_the_job_says(images: Lesson, tmp_path: Path) -> None:
    net = IMAGES.net()
    images.run(net, tmp_path, PLAIN, tokenizers={"image": "none"})
    assert_same_bits(weights(load_net(tmp_path / "net")), weights(net))
    assert describe_net(tmp_path / "net").tokenizers == {"image": "none"}


def test_a_checkpoint_of_other_settings_is_refused(images: Lesson, tmp_path: Path) -> None:
    images.run(IMAGES.net(), tmp_path / "run", FULL)
    with pytest.raises(UsageError, match="belongs to another net"):
        images.run(IMAGES.net(), tmp_path / "run", FULL, resume=True, origin="another")
    with pytest.raises(UsageError, match="belongs to another net"):
        images.run(IMAGES.net(), tmp_path / "run", replace(FULL, precision="bf16"), resume=True)
    with pytest.raises(UsageError, match="other settings, data or teachers"):
        images.run(IMAGES.net(), tmp_path / "run", replace(FULL, lr=2e-2), resume=True)
    with pytest.raises(UsageError, match="other settings, data or teachers"):
        images.run(IMAGES.net(), tmp_path / "run", FULL, resume=True, knowledge=None)


def test_a_damaged_checkpoint_is_refused(images: Lesson, tmp_path: Path) -> None:
    images.run(IMAGES.net(), tmp_path / "run", PLAIN)
    (path,) = (tmp_path / "run").glob("tensors-*.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="run without --resume"):
        images.run(IMAGES.net(), tmp_path / "run", PLAIN, resume=True)


def test_the_thread_count_of_the_checkpoint_is_kept(images: Lesson, tmp_path: Path) -> None:
    counter, events = iter(range(1, 100)), []
    with pytest.raises(Interrupted):
        images.run(
            IMAGES.net(), tmp_path, replace(PLAIN, threads=2), stop=lambda: next(counter) == 3
        )
    images.run(
        IMAGES.net(), tmp_path, replace(PLAIN, threads=1), resume=True, on_event=events.append
    )
    assert "2 threads as before (not 1)" in events[1].note
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("balance", ["static", "uncertainty"])
def test_alpha_0_is_supervised_training_to_the_last_bit(
    images: Lesson, tmp_path: Path, balance: str
) -> None:
    distill = replace(DISTILL, alpha=0.0, temperature=4.0, balance=Method(balance))
    settings = replace(PLAIN, distill=distill)
    taught, plain = IMAGES.net(), IMAGES.net()
    first = images.run(taught, tmp_path / "taught", settings)
    second = images.run(plain, tmp_path / "plain", settings, knowledge=None)
    assert_same_bits(weights(taught), weights(plain))
    assert without_time(first) == without_time(second)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(
    images: Lesson, tmp_path: Path
) -> None:
    nets = [IMAGES.net() for _ in range(3)]
    for net, seed in zip(nets, (4, 4, 5), strict=True):
        torch.rand(seed)  # what was drawn before does not matter
        images.run(net, tmp_path / "run", replace(FULL, seed=seed))
    assert_same_bits(weights(nets[0]), weights(nets[1]))
    with pytest.raises(AssertionError):
        assert_same_bits(weights(nets[0]), weights(nets[2]))


def test_resuming_leaves_every_generator_as_it_was(images: Lesson, tmp_path: Path) -> None:
    net = IMAGES.net()
    with pytest.raises(Interrupted):
        images.run(net, tmp_path, FULL, stop=lambda: True)
    with own_randomness(99):  # elsewhere than the checkpoint's
        before = random_state()
        images.run(net, tmp_path, FULL, resume=True)
        assert_same_bits(before, random_state())


def test_training_leaves_random_state_as_it_was(images: Lesson, tmp_path: Path) -> None:
    before = torch.get_rng_state()
    images.run(IMAGES.net(), tmp_path, FULL)
    assert torch.equal(torch.get_rng_state(), before)


def test_rows_without_labels_need_a_teacher(images: Lesson) -> None:
    names = [task.name for task in IMAGES.tasks]
    everything = plan_of(images.train, names, PLAIN, taught=True)
    labelled = plan_of(images.train, names, PLAIN, taught=False)
    assert (len(everything.rows), everything.steps, everything.epochs) == (50, 21, 3)
    assert (len(labelled.rows), labelled.steps, labelled.epochs) == (30, 12, 3)
    only_dark = plan_of(images.train, [DARK.name], PLAIN, taught=False)
    assert images.train.labelled([DARK.name])[only_dark.rows].all()
    walked = np.concatenate(labelled.batches(0))
    assert sorted(walked.tolist()) == list(range(30))


def test_rows_are_drawn_from_their_sources_and_resume_to_the_same_bits(
    images: Lesson, tmp_path: Path
) -> None:
    sources = np.repeat([0, 1], [40, 10])
    settings = replace(FULL, sampling=Sampling(2.0, "sources"))
    assert_resumes(
        replace(images, sources=sources), IMAGES.net(), IMAGES.net(), settings, tmp_path, after=10
    )
    names = [task.name for task in IMAGES.tasks]
    plan = plan_of(images.train, names, settings, taught=True, sources=sources)
    assert (len(plan.rows), plan.steps, plan.epochs) == (50, 21, 3)
    for epoch in range(3):  # 40 ** 0.5 to 10 ** 0.5 is 2 to 1
        walked = np.concatenate(plan.batches(epoch))
        assert (len(walked), (walked >= 40).sum()) == (50, 17)
    with pytest.raises(UsageError, match="expected the source of each row"):
        plan_of(images.train, names, settings, taught=True)


def test_rows_are_drawn_by_their_tasks_and_resume_to_the_same_bits(
    images: Lesson, tmp_path: Path
) -> None:
    settings = replace(FULL, sampling=Sampling(2.0, "tasks"))
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=10)
    names = [task.name for task in IMAGES.tasks]
    plan = plan_of(images.train, names, settings, taught=True)
    labels = np.stack([images.train.labelled([name]) for name in names])  # [task, row]
    counts = labels.sum(axis=1)
    few, many = labels[counts.argmin()], labels[counts.argmax()] & ~labels[counts.argmin()]
    sizes = np.array([few.sum(), many.sum()]) ** 0.5
    rows = int(labels.any(axis=0).sum())
    for epoch in range(3):
        walked = np.concatenate(plan.batches(epoch))
        assert len(walked) == len(images.train) == 50
        assert sorted(walked[~labels.any(axis=0)[walked]]) == list(range(30, 50))
        assert abs(few[walked].sum() - rows * sizes[0] / sizes.sum()) < 1
    keys = {
        images.job(IMAGES.net(), tmp_path, replace(FULL, sampling=one)).key
        for one in (None, Sampling(2.0, "tasks"), Sampling(3.0, "tasks"))
    }
    assert len(keys) == 3


def test_sampling_at_one_is_no_sampling_and_the_key_follows_the_sources(
    images: Lesson, tmp_path: Path
) -> None:
    nets = IMAGES.net(), IMAGES.net()
    sources = np.repeat([0, 1], [40, 10])
    images.run(nets[0], tmp_path / "plain", FULL)
    at_one = replace(FULL, sampling=Sampling(1.0, "sources"))
    images.run(nets[1], tmp_path / "one", at_one, sources=sources)
    assert_same_bits(weights(nets[0]), weights(nets[1]))
    jobs = [
        images.job(nets[0], tmp_path, settings, sources=one)
        for settings, one in [
            (FULL, None), (FULL, sources), (at_one, sources), (at_one, 1 - sources)
        ]
    ]  # fmt: skip
    plain, unused, *sampled = (job.key for job in jobs)
    assert plain == unused
    assert len({plain, *sampled}) == 3


def test_a_baseline_gets_the_students_steps(images: Lesson, tmp_path: Path) -> None:
    student = images.run(IMAGES.net(), tmp_path / "student", FULL)
    baseline = images.run(
        IMAGES.net(),
        tmp_path / "baseline",
        replace(PLAIN, max_steps=student.steps),
        knowledge=None,
    )
    assert baseline.steps == student.steps == 21
    assert baseline.rows == 30
    assert baseline.last_epoch == 6  # 4 steps an epoch: the last one ends early


def test_the_net_holds_the_weights_of_the_best_epoch(images: Lesson, tmp_path: Path) -> None:
    net = IMAGES.net()
    result = images.run(net, tmp_path, replace(FULL, epochs=6))
    scores = [sum(point.validation.values()) / 2 for point in result.curves]
    assert result.kept_epoch == result.best_epoch == 1 + scores.index(max(scores))
    logits = predict_split(net, images.validation, IMAGES.tasks)
    assert metric_values(IMAGES.tasks, images.validation, logits) == dict(result.validation)
    assert not net.training


def test_keep_last_keeps_the_last(images: Lesson, tmp_path: Path) -> None:
    nets = [IMAGES.net(), IMAGES.net()]
    last = images.run(nets[0], tmp_path / "a", replace(FULL, keep="last"))
    unseen = images.run(nets[1], tmp_path / "b", FULL, validation=None)
    assert last.kept_epoch == unseen.kept_epoch == 3
    assert unseen.best_epoch == 0
    assert unseen.validation == {}
    assert_same_bits(weights(nets[0]), weights(nets[1]))


def test_validation_comes_when_it_is_due_and_at_the_end(images: Lesson, tmp_path: Path) -> None:
    result = images.run(IMAGES.net(), tmp_path, replace(FULL, epochs=5, validate_every=2))
    assert [bool(point.validation) for point in result.curves] == [False, True, False, True, True]


def test_the_student_follows_the_teacher(images: Lesson, tmp_path: Path) -> None:
    settings = replace(FULL, epochs=12, distill=replace(FULL.distill, alpha=1.0))
    result = images.run(IMAGES.net(), tmp_path, settings)
    first, last = result.curves[0].train, result.curves[-1].train
    assert last[SHAPE.name]["kd"] < first[SHAPE.name]["kd"] / 2
    assert last[""]["feature0"] < first[""]["feature0"] / 2  # type: ignore[index]
    assert "task" not in last[SHAPE.name]


def test_events_tell_losses_metrics_and_time(images: Lesson, tmp_path: Path) -> None:
    events: list[Event] = []
    images.run(IMAGES.net(), tmp_path, FULL, on_event=events.append)
    steps = [event for event in events if isinstance(event, StepEvent)]
    epochs = [event for event in events if isinstance(event, EpochEvent)]
    assert [event.step for event in steps] == [10, 20, 21]
    assert steps[-1].seconds_left == 0.0
    assert steps[0].seconds_left > 0.0
    assert [event.epoch for event in epochs] == [1, 2, 3]
    assert set(epochs[0].losses[SHAPE.name]) == {"task", "kd"}
    assert set(epochs[0].validation) == {SHAPE.name, DARK.name}
    assert epochs[0].best
    assert isinstance(events[-1], SavedEvent)


def test_a_loss_that_is_not_finite_ends_training(images: Lesson, tmp_path: Path) -> None:
    net = IMAGES.net()
    with torch.no_grad():
        next(iter(net.heads.parameters())).fill_(float("nan"))
    with pytest.raises(
        Kd2edgeError, match=r"step 1, epoch 1: loss task of shape is nan.* Lower train\.lr"
    ):
        images.run(net, tmp_path, PLAIN, knowledge=None)


def test_caches_of_other_rows_or_views_are_refused(images: Lesson, tmp_path: Path) -> None:
    others = replace(images, train=IMAGES.split(tmp_path, image_rows(seed=4)))
    with pytest.raises(DataError, match="other rows"):
        others.run(IMAGES.net(), tmp_path, PLAIN)
    unmoved = replace(images, train=IMAGES.split(tmp_path, image_rows()))
    with pytest.raises(DataError, match="augmentation must be the same"):
        unmoved.run(IMAGES.net(), tmp_path, PLAIN)


def test_a_split_without_the_task_or_any_label_is_refused(images: Lesson, tmp_path: Path) -> None:
    lacking = replace(images, train=IMAGES.split(tmp_path, image_rows(), tasks=(SHAPE,)))
    with pytest.raises(DataError, match="no targets of dark"):
        lacking.run(IMAGES.net(), tmp_path, PLAIN, knowledge=None)
    unlabelled = replace(images, train=IMAGES.split(tmp_path, image_rows(0, 5)))
    with pytest.raises(DataError, match="nothing to learn from"):
        unlabelled.run(IMAGES.net(), tmp_path, PLAIN, knowledge=None)


def test_a_teacher_is_trained_by_the_same_loop(tokens: Lesson, tmp_path: Path) -> None:
    net = TOKENS.net(teacher=True)
    result = tokens.run(net, tmp_path, replace(PLAIN, epochs=8), knowledge=None)
    assert set(result.validation) == {task.name for task in TOKENS.tasks}
    assert result.rows == 24
    assert result.curves[-1].train[TOKENS.tasks[0].name]["task"] < 0.7


@dataclass(frozen=True)
class Fading(Schedule):
    """Alpha that falls with the steps."""

    kind: str = "fading"

    def at(self, moment: Moment) -> float:
        return 1 - moment.time.step / moment.time.steps


def test_alpha_may_change_with_the_steps_and_still_resumes(images: Lesson, tmp_path: Path) -> None:
    settings = replace(
        FULL, distill=replace(FULL.distill, alpha={SHAPE.name: Fading(), DARK.name: 0.5})
    )
    whole, parts = IMAGES.net(), IMAGES.net()
    assert_resumes(images, whole, parts, settings, tmp_path, after=9)
    constant = IMAGES.net()
    images.run(constant, tmp_path / "constant", FULL)
    with pytest.raises(AssertionError):
        assert_same_bits(weights(constant), weights(whole))


def test_each_epoch_shows_its_own_view(
    images: Lesson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[int] = []
    real = EncodedSplit.batch

    def batch(self: EncodedSplit, positions: Any, view: int = 0, epoch: int | None = None) -> Any:
        if self is images.train:
            shown.append(view)
        return real(self, positions, view, epoch)

    monkeypatch.setattr(EncodedSplit, "batch", batch)
    images.run(IMAGES.net(), tmp_path, PLAIN)
    assert shown == [0] * 7 + [1] * 7 + [2] * 7


@dataclass(frozen=True)
class Curious(Schedule):
    """A temperature an item that asks for everything there is."""

    kind: str = "curious"

    def at(self, moment: Moment) -> Tensor:
        teacher = moment.teacher()
        assert teacher is not None
        wrong = 1 - (moment.metric() or 0.0) + moment.losses().get("kd", 0.0)
        far = (moment.student() - teacher.logits).abs().mean(-1, keepdim=True)
        return 1 + wrong * far / (1 + far)  # [item, 1]


@pytest.mark.parametrize("after", [3, 9])
def test_a_schedule_that_looks_at_losses_metrics_and_logits_resumes_to_the_same_bits(
    images: Lesson, tmp_path: Path, after: int
) -> None:
    settings = replace(FULL, distill=replace(FULL.distill, temperature=Curious()))
    assert_resumes(images, IMAGES.net(), IMAGES.net(), settings, tmp_path, after=after)


@pytest.mark.parametrize("name", sorted(BALANCERS))
def test_every_balancer_bears_losses_of_which_nothing_counts(
    images: Lesson, tmp_path: Path, name: str
) -> None:
    """The labels' part is exactly 0 where all items leave it to the teacher."""
    require_solver(name)
    balance = Method(name, options(name))
    alpha = {SHAPE.name: Labelled(1.0, 1.0), DARK.name: Correct(0.0, 1.0)}
    distill = replace(FULL.distill, alpha=alpha, balance=balance)
    net = IMAGES.net()
    images.run(net, tmp_path, replace(FULL, distill=distill))
    assert all(one.isfinite().all() for one in weights(net).values())


ALPHAS = {kind_of(part, "kind"): part for part in members(get_args(AlphaSchedule)[0])}


@pytest.mark.parametrize("name", sorted(ALPHAS))
def test_an_alpha_of_every_kind_resumes_to_the_same_bits(
    images: Lesson, tokens: Lesson, tmp_path: Path, name: str
) -> None:
    made = SCHEDULES[name](**ALPHAS[name]().model_dump(exclude={"kind"}))
    for lesson, settings in ((images, FULL), (tokens, PLAIN)):
        alpha = {
            task.name: made.counted(Support(tuple(range(1, len(task.labels) + 1)), 9))
            for task in lesson.world.tasks
        }
        changed = replace(settings, distill=replace(settings.distill, alpha=alpha))
        world = lesson.world
        folder = tmp_path / world.spec.name
        assert_resumes(lesson, world.net(), world.net(), changed, folder, after=4)


@pytest.mark.parametrize("balance", ["static", "mgda"])
def test_a_learned_temperature_resumes_to_the_same_bits_and_is_told(
    images: Lesson, tokens: Lesson, tmp_path: Path, balance: str
) -> None:
    temperature = Curriculum(4.0, 1.0, 21.0, 5.0, 0.3)
    distill = {"temperature": temperature, "balance": Method(balance, options(balance))}
    settings = replace(FULL, distill=replace(FULL.distill, **distill))
    whole = IMAGES.net()
    assert_resumes(images, whole, IMAGES.net(), settings, tmp_path / "images", after=16)
    plain = replace(PLAIN, distill=replace(DISTILL, **distill))
    assert_resumes(tokens, TOKENS.net(), TOKENS.net(), plain, tmp_path / "tokens", after=4)
    found = images.run(IMAGES.net(), tmp_path / "again", settings).curves
    told = [point.values[SHAPE.name]["temperature"] for point in found]
    assert len(set(told)) == 3
    assert all(1 < one < 21 for one in told)
    assert set(whole.state_dict()) == set(IMAGES.net().state_dict())


def test_progress_is_looked_up_in_the_last_validation(images: Lesson, tmp_path: Path) -> None:
    """Also by a training that was resumed within an epoch."""
    alpha = {SHAPE.name: Progress(0.75, 0.5, 0.25), DARK.name: 0.5}
    settings = replace(FULL, distill=replace(FULL.distill, alpha=alpha))
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        images.run(IMAGES.net(), tmp_path, settings, stop=lambda: next(counter) == 10)
    curves = images.run(IMAGES.net(), tmp_path, settings, resume=True).curves
    lacks = [1 - point.validation[SHAPE.name] for point in curves]
    expected = [0.75, *(0.5 - 0.25 * min(1.0, 0.3 / lack) for lack in lacks[:2])]
    assert [point.values[SHAPE.name]["alpha"] for point in curves] == pytest.approx(expected)


def test_what_teachers_lack_is_part_of_the_key(images: Lesson, tmp_path: Path) -> None:
    jobs = [
        images.job(IMAGES.net(), tmp_path, FULL, knowledge=replace(images.knowledge, lacks=lacks))
        for lacks in ({}, {SHAPE.name: 0.3}, {SHAPE.name: 0.3001})
    ]
    assert len({job.key for job in jobs}) == 3


def test_curves_have_the_means_of_what_schedules_gave_also_when_resumed_within_an_epoch(
    images: Lesson, tmp_path: Path
) -> None:
    alpha = {SHAPE.name: Linear(1.0, 0.0), DARK.name: 0.5}
    settings = replace(FULL, distill=replace(FULL.distill, alpha=alpha))
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        images.run(IMAGES.net(), tmp_path, settings, stop=lambda: next(counter) == 10)
    found = images.run(IMAGES.net(), tmp_path, settings, resume=True)
    for at, point in enumerate(found.curves):  # 3 epochs of 7 steps
        steps = np.arange(7 * at, 7 * at + 7)
        assert point.values == {SHAPE.name: {"alpha": pytest.approx((1 - steps / 20).mean())}}
        assert set(point.train[SHAPE.name]) <= {"kd", "task"}
    assert all(not one.values for one in images.run(IMAGES.net(), tmp_path / "2", FULL).curves)


def test_it_works_on_words_too(tokens: Lesson, tmp_path: Path) -> None:
    distill = replace(DISTILL, temperature=Curious())
    assert_resumes(
        tokens, TOKENS.net(), TOKENS.net(), replace(PLAIN, distill=distill), tmp_path, after=4
    )
