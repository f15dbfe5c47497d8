from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import IMAGES, TOKENS, World, follow, image_rows, token_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import Knowledge, knowledge_of
from kd2edge.distill.feature_term import FeatureTerm
from kd2edge.distill.features import FEATURE_LOSSES
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.errors import DataError, UsageError
from kd2edge.nets import Net
from kd2edge.teacher import cache_outputs

MAP, WORD = ("stages.1", "stages.0"), ("encoder.layer.1", "encoder.layer.0")


def taught(world: World, split: EncodedSplit, path: str, directory: Path) -> Knowledge:
    teacher = world.net_teacher()
    cache = cache_outputs(teacher, split, directory, tasks=world.tasks, features=(path,))
    return knowledge_of({"t": cache})


@pytest.fixture
def images(tmp_path: Path) -> tuple[EncodedSplit, Knowledge]:
    split = IMAGES.split(tmp_path, image_rows())
    return split, taught(IMAGES, split, MAP[0], tmp_path)


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[EncodedSplit, Knowledge]:
    split = TOKENS.split(tmp_path, token_rows())
    return split, taught(TOKENS, split, WORD[0], tmp_path)


def seen(net: Net, split: EncodedSplit, path: str, at: list[int]) -> Tensor:
    with net.capture((path,)) as features:
        net(split.batch(np.array(at)).inputs)
    return features[path]


@pytest.mark.parametrize("loss", ["cosine", "mse"])
def test_zero_when_the_student_is_the_teacher(
    tokens: tuple[EncodedSplit, Knowledge], images: tuple[EncodedSplit, Knowledge], loss: str
) -> None:
    for world, (split, knowledge), path in ((TOKENS, tokens, WORD[0]), (IMAGES, images, MAP[0])):
        net = world.net(seed=2, teacher=True).eval()
        term = FeatureTerm(follow(path, path, loss, projector="none"), knowledge)
        at = list(range(10))
        feature, batch = seen(net, split, path, at), split.batch(np.array(at))
        term.prepare(feature, batch)
        found = term(feature, batch)
        assert found is not None
        assert found.item() < 1e-5  # fp16 in the cache


@pytest.mark.parametrize("name", ["images", "tokens"])
def test_it_teaches_the_student_and_the_projector(
    request: pytest.FixtureRequest, name: str
) -> None:
    split, knowledge = request.getfixturevalue(name)
    world, (source, target) = (IMAGES, MAP) if name == "images" else (TOKENS, WORD)
    net = world.net()
    term = FeatureTerm(follow(source, target), knowledge)
    at = list(range(len(split)))
    feature, batch = seen(net, split, target, at), split.batch(np.array(at))
    term.prepare(feature, batch)
    found = term(feature, batch)
    assert found is not None
    found.backward()
    for parameter in term.projector.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
    gradients = [one.grad for one in net.backbone.parameters() if one.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


class Rows(Loss):
    """Keeps the row ids it was given."""

    needs = frozenset({Need.STUDENT_FEATURES, Need.ROWS})
    kept: Tensor

    def forward(self, given: Given) -> Tensor:
        self.kept = given.need(Need.ROWS)
        return given.need(Need.STUDENT_FEATURES).sum()


@pytest.mark.parametrize("name", ["images", "tokens"])
def test_row_ids_are_given_an_item_each(
    request: pytest.FixtureRequest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, knowledge = request.getfixturevalue(name)
    world, (source, target) = (IMAGES, MAP) if name == "images" else (TOKENS, WORD)
    monkeypatch.setitem(FEATURE_LOSSES, "rows", Rows)
    term = FeatureTerm(follow(source, target, "rows"), knowledge)
    feature, batch = seen(world.net(), split, target, [7, 3]), split.batch(np.array([7, 3]))
    term.prepare(feature, batch)
    term(feature, batch)
    assert isinstance(term.loss, Rows)
    counts = [4, 4] if name == "images" else batch.words["words"].counts  # a map of 2 x 2 places
    assert term.loss.kept.tolist() == np.repeat([7, 3], counts).tolist()


class Labels(Loss):
    """A loss that no term can serve."""

    needs = frozenset({Need.TARGETS})

    def forward(self, given: Given) -> Tensor:
        raise AssertionError


def test_needs_that_belong_to_a_task_are_refused(
    images: tuple[EncodedSplit, Knowledge], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FEATURE_LOSSES, "labels", Labels)
    with pytest.raises(UsageError, match=r"labels needs targets"):
        FeatureTerm(follow(*MAP, "labels"), images[1])


def test_widths_that_differ_without_a_projector_are_refused(
    images: tuple[EncodedSplit, Knowledge],
) -> None:
    split, knowledge = images
    term = FeatureTerm(follow(*MAP, projector="none"), knowledge)
    feature = seen(IMAGES.net(), split, MAP[1], [0, 1])
    with pytest.raises(UsageError, match=r"stages\.1 -> stages\.0: .*4 and 10"):
        term.prepare(feature, split.batch(np.array([0, 1])))


def test_vectors_do_not_meet_maps(images: tuple[EncodedSplit, Knowledge]) -> None:
    split, knowledge = images
    term = FeatureTerm(follow(*MAP), knowledge)
    with pytest.raises(UsageError, match=r"teacher gives a map .* student a vector"):
        term.prepare(torch.ones(2, 4), split.batch(np.array([0, 1])))


def test_other_words_than_the_teachers_are_refused(
    tokens: tuple[EncodedSplit, Knowledge], tmp_path: Path
) -> None:
    _, knowledge = tokens
    other = TOKENS.split(tmp_path, token_rows(seed=8))
    term = FeatureTerm(follow(*WORD), knowledge)
    feature = seen(TOKENS.net(), other, WORD[1], [0, 1, 2])
    batch = other.batch(np.array([0, 1, 2]))
    term.prepare(feature, batch)
    with pytest.raises(DataError, match="same words in row"):
        term(feature, batch)
