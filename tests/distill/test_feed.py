"""What is added to the student's features, how it fades out, and that it leaves nothing behind."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import (
    DISTILL,
    IMAGES,
    TOKENS,
    TRAIN,
    World,
    image_rows,
    token_rows,
)
from kd2edge.data import EncodedSplit
from kd2edge.distill import (
    FeedSpec,
    Knowledge,
    Mixup,
    Time,
    TrainingJob,
    TrainSettings,
    knowledge_of,
    metric_values,
    predict_split,
    train,
)
from kd2edge.distill.feed import Feed
from kd2edge.distill.objective import Objective
from kd2edge.distill.step import Stepper, Turn
from kd2edge.errors import Interrupted, UsageError
from kd2edge.nets import Net
from kd2edge.teacher import cache_outputs

VECTOR, MAP = "heads.shape.dropout:input", "stages.1"
TOPIC, WORD = "heads.topic.dropout:input", "encoder.layer.1"
AT = np.array([7, 3, 11])


def feed(source: str, target: str, **changes: Any) -> FeedSpec:
    return replace(FeedSpec("t", source, target, 1.0, 0.5, "linear", "none"), **changes)


def taught(world: World, rows: Any, folder: Path) -> tuple[EncodedSplit, Knowledge]:
    split = world.split(folder, rows())
    paths = (VECTOR, MAP) if world is IMAGES else (TOPIC, WORD)
    cache = cache_outputs(world.net_teacher(), split, folder, tasks=world.tasks, features=paths)
    return split, knowledge_of({"t": cache})


@pytest.fixture
def images(tmp_path: Path) -> tuple[EncodedSplit, Knowledge]:
    return taught(IMAGES, image_rows, tmp_path)


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[EncodedSplit, Knowledge]:
    return taught(TOKENS, token_rows, tmp_path)


def seen(net: Net, split: EncodedSplit, path: str) -> Tensor:
    with net.eval().capture((path,)) as features:
        net(split.batch(AT).inputs)
    return features[path]


def prepared(spec: FeedSpec, knowledge: Knowledge, feature: Tensor) -> tuple[Feed, np.ndarray]:
    """A feed with random numbers in its projector, and these."""
    found = Feed(spec, knowledge)
    found.prepare(feature)
    assert isinstance(found.projector, torch.nn.Linear)
    assert found.projector.bias is None
    assert not found.projector.weight.any()  # it starts at zero
    torch.nn.init.normal_(found.projector.weight, generator=torch.Generator().manual_seed(5))
    return found, found.projector.weight.detach().numpy()


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_the_share_falls_to_exactly_zero_and_stays_there(images: Any, shape: str) -> None:
    found = Feed(feed(VECTOR, "stages.0", first=0.8, until=0.4, shape=shape), images[1])
    shares = [found.share(Time(step, 50, 0)) for step in range(50)]
    for step in range(20):
        gone = step / 20  # 0.4 of 50 steps
        left = 1 - gone if shape == "linear" else 0.5 + 0.5 * math.cos(math.pi * gone)
        assert shares[step] == pytest.approx(0.8 * left)
        assert shares[step] > shares[step + 1]
    assert shares[0] == 0.8
    assert shares[20:] == [0.0] * 30


@pytest.mark.parametrize("target", ["heads.shape.dropout", "stages.0"])
def test_a_vector_of_a_row_is_added_to_a_vector_and_at_every_place_of_a_map(
    images: Any, target: str
) -> None:
    split, knowledge = images
    feature = seen(IMAGES.net(), split, target)
    found, matrix = prepared(feed(VECTOR, target), knowledge, feature)
    theirs = knowledge.caches["t"].feature(VECTOR, AT).astype(np.float32)
    added = (found(feature, split.batch(AT), 0.25) - feature).detach().numpy()
    expected = 0.25 * theirs @ matrix.T  # [row, channel]
    if target == "stages.0":
        expected = np.broadcast_to(expected[:, :, None, None], feature.shape)
    np.testing.assert_allclose(added, expected, atol=1e-5)


def test_vectors_are_standardised_over_the_training_rows(images: Any) -> None:
    split, knowledge = images
    feature = seen(IMAGES.net(), split, "stages.0")
    spec = feed(VECTOR, "stages.0", standardise="z_score")
    found, matrix = prepared(spec, knowledge, feature)
    every = knowledge.caches["t"].feature(VECTOR, np.arange(len(split))).astype(np.float64)
    spread = every.std(0)
    whole = np.where(spread > 0, (every - every.mean(0)) / np.where(spread > 0, spread, 1), 0)
    added = (found(feature, split.batch(AT), 1.0) - feature).detach().numpy()[:, :, 0, 0]
    np.testing.assert_allclose(added, whole[AT] @ matrix.T, rtol=1e-3, atol=1e-3)


def test_a_words_vector_is_added_at_its_first_piece_and_nowhere_else(tokens: Any) -> None:
    split, knowledge = tokens
    feature, batch = seen(TOKENS.net(), split, "encoder.layer.0"), split.batch(AT)
    found, matrix = prepared(feed(WORD, "encoder.layer.0"), knowledge, feature)
    theirs = knowledge.caches["t"].feature(WORD, AT)
    expected = np.zeros((feature.shape[0] * feature.shape[1], feature.shape[2]))
    for at, values in zip(batch.words["words"].index.tolist(), theirs.values, strict=True):
        if at >= 0 and not np.isnan(values).any():  # neither of the two has cut it off
            expected[at] = values.astype(np.float32) @ matrix.T
    added = (found(feature, batch, 1.0) - feature).detach().numpy()
    np.testing.assert_allclose(added, expected.reshape(added.shape), atol=1e-5)
    assert (added == 0).all(-1).any()
    assert np.isfinite(added).all()


def test_a_vector_of_a_row_is_added_at_every_position(tokens: Any) -> None:
    split, knowledge = tokens
    feature = seen(TOKENS.net(), split, "encoder.layer.0")
    found, matrix = prepared(feed(TOPIC, "encoder.layer.0"), knowledge, feature)
    theirs = knowledge.caches["t"].feature(TOPIC, AT).astype(np.float32)
    added = (found(feature, split.batch(AT), 0.5) - feature).detach().numpy()
    expected = np.broadcast_to(0.5 * (theirs @ matrix.T)[:, None], feature.shape)
    np.testing.assert_allclose(added, expected, atol=1e-5)


def objective(knowledge: Knowledge, net: Net, split: EncodedSplit, *specs: FeedSpec) -> Objective:
    settings = replace(DISTILL, feed=specs)
    made = Objective(IMAGES.tasks, settings, knowledge, 0.0)
    with torch.no_grad(), net.eval().capture(made.captures) as features:
        net(split.batch(AT).inputs)
        made.prepare(features, split.batch(AT))
    return made


def test_only_what_follows_reads_it_and_only_while_it_is_fed(images: Any) -> None:
    split, knowledge = images
    net, batch = IMAGES.net(), split.batch(AT)
    made = objective(knowledge, net, split, feed(VECTOR, "stages.0"))
    plain = net(batch.inputs)["shape"]
    with made.fed(net, batch, Time(0, 10, 0)):
        assert torch.equal(net(batch.inputs)["shape"], plain)  # a projector of zeros
    for parameter in made.feeds.parameters():
        torch.nn.init.normal_(parameter)
    with net.capture(("stages.0",)) as features, made.fed(net, batch, Time(0, 10, 0)):
        assert not torch.allclose(net(batch.inputs)["shape"], plain)
        watched = features["stages.0"].clone()
    assert torch.equal(watched, seen(net, split, "stages.0"))  # features see what the net gives
    assert torch.equal(net(batch.inputs)["shape"], plain)
    with made.fed(net, batch, Time(5, 10, 0)):  # half of the steps are over
        assert torch.equal(net(batch.inputs)["shape"], plain)


def test_it_teaches_the_projector_and_what_lies_in_front(images: Any) -> None:
    split, knowledge = images
    net = IMAGES.net()
    made = objective(knowledge, net, split, feed(VECTOR, "stages.0"))
    stepper = Stepper(net, made, TRAIN, torch.device("cpu"), "fp32")
    with net.train().capture(made.captures) as features:
        found = stepper.losses(Turn(split.batch(AT), features, Time(0, 10, 0), 0.1))
        torch.stack(list(found.terms.values())).sum().backward()
    for parameter in (*made.feeds.parameters(), *net.get_submodule("backbone").parameters()):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    assert all(one.grad.any() for one in made.feeds.parameters() if one.grad is not None)


@pytest.mark.parametrize(
    ("source", "target", "changes", "message"),
    [
        ("stages.9", "stages.0", {}, "no feature 'stages.9' of a teacher 't' is cached"),
        (VECTOR, "stages.0", {"teacher": "u"}, "of a teacher 'u' is cached"),
        (VECTOR, "stages.0", {"standardise": "l2"}, "'l2' is not known; choose one of none"),
        (MAP, "stages.0", {}, "the teacher gives a map .* behind its pooling"),
    ],
)
def test_what_cannot_be_fed_is_refused(
    images: Any, source: str, target: str, changes: dict[str, Any], message: str
) -> None:
    split, knowledge = images
    with pytest.raises(UsageError, match=f"feed {source} -> {target}: .*{message}"):
        prepared(feed(source, target, **changes), knowledge, seen(IMAGES.net(), split, target))


def test_words_are_not_added_to_a_vector(tokens: Any) -> None:
    split, knowledge = tokens
    target = "heads.topic.dropout"
    feature = seen(TOKENS.net(), split, target)
    with pytest.raises(UsageError, match="a word, which is added to a sequence of words"):
        prepared(feed(WORD, target), knowledge, feature)


def run(
    images: Any, folder: Path, net: Net, settings: TrainSettings, **how: Any
) -> dict[str, Tensor]:
    split, knowledge = images
    job = TrainingJob(
        name="student", build=lambda: net, origin="student", tasks=IMAGES.tasks, train=split,
        validation=split, settings=settings, stem=folder / "net", checkpoints=folder,
        knowledge=knowledge,
    )  # fmt: skip
    result = train(job, **how)
    expected = metric_values(
        IMAGES.tasks, split, predict_split(net, split, IMAGES.tasks, batch_size=8, device="cpu")
    )
    assert result.validation == pytest.approx(expected)  # validation saw the plain net
    return {name: one.clone() for name, one in net.state_dict().items()}


def settings(*specs: FeedSpec) -> TrainSettings:
    return replace(TRAIN, keep="last", epochs=2, distill=replace(DISTILL, feed=specs))


def test_the_trained_net_is_a_plain_one_and_another_than_without(
    images: Any, tmp_path: Path
) -> None:
    plain = run(images, tmp_path / "plain", IMAGES.net(), settings())
    fed = run(images, tmp_path / "fed", IMAGES.net(), settings(feed(VECTOR, "stages.0")))
    assert set(fed) == set(plain) == set(IMAGES.net().state_dict())
    assert any(not torch.equal(fed[name], plain[name]) for name in plain)


@pytest.mark.parametrize("after", [3, 10])
def test_it_resumes_to_the_same_bits_while_it_fades_and_after(
    images: Any, tmp_path: Path, after: int
) -> None:
    how = settings(feed(VECTOR, "stages.0", standardise="z_score"))  # 14 steps, 7 with it
    whole = run(images, tmp_path / "whole", IMAGES.net(), how)
    counter = iter(range(1, 100))
    with pytest.raises(Interrupted):
        run(images, tmp_path / "parts", IMAGES.net(), how, stop=lambda: next(counter) == after)
    parts = run(images, tmp_path / "parts", IMAGES.net(seed=50), how, resume=True)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)


def test_rows_that_are_mixed_are_not_fed(images: Any, tmp_path: Path) -> None:
    how = replace(settings(feed(VECTOR, "stages.0")), mixup=Mixup(0.4, "inputs"))
    with pytest.raises(
        UsageError, match=r"leave mixup out, or distill\.features and distill\.feed"
    ):
        run(images, tmp_path, IMAGES.net(), how)
