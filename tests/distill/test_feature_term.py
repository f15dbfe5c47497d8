from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

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
        term.prepare([feature], batch)
        found = term([feature], batch)
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
    term.prepare([feature], batch)
    found = term([feature], batch)
    assert found is not None
    found.backward()
    for parameter in term.projectors.parameters():
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
    term.prepare([feature], batch)
    term([feature], batch)
    assert isinstance(term.loss, Rows)
    counts = [4, 4] if name == "images" else batch.words["words"].counts  # a map of 2 x 2 places
    assert term.loss.kept.tolist() == np.repeat([7, 3], counts).tolist()


#: What is followed of the tiny nets: rows of images, places, words.
EVERY = [
    *(("images", kind, MAP, {}) for kind in sorted(FEATURE_LOSSES) if kind != "fsp"),
    *(("tokens", kind, WORD, {}) for kind in sorted(FEATURE_LOSSES) if kind != "fsp"),
    ("images", "similarity", MAP, {"per": "item"}),
    ("tokens", "cka", WORD, {"per": "item"}),
]
SMALL = {
    "attention_relations": {"heads": 2},
    "crd": {"width": 3, "negatives": 8},
    "queue_similarity": {"size": 16},
}


@pytest.mark.parametrize(("name", "kind", "paths", "more"), EVERY)
def test_every_loss_teaches_the_student(
    request: pytest.FixtureRequest, name: str, kind: str, paths: tuple[str, str], more: Any
) -> None:
    split, knowledge = request.getfixturevalue(name)
    net = (IMAGES if name == "images" else TOKENS).net()
    term = FeatureTerm(follow(*paths, kind, **SMALL.get(kind, {}), **more), knowledge)
    for at, step in ((range(8), 0), (range(8, 16), 1)):
        feature, batch = seen(net, split, paths[1], list(at)), split.batch(np.array(at))
        if not step:
            term.prepare([feature], batch)
        found = term([feature], batch)
        assert found is not None
        assert found.isfinite()
    assert found > 0
    found.backward()
    gradients = [one.grad for one in net.backbone.parameters() if one.grad is not None]
    assert any(gradient.any() for gradient in gradients)
    assert all(gradient.isfinite().all() for gradient in gradients)


ZERO = [
    "attention_relations",
    "attention_transfer",
    "cka",
    "normalised",
    "relational",
    "similarity",
]


@pytest.mark.parametrize("kind", ZERO)
@pytest.mark.parametrize("name", ["images", "tokens"])
def test_relations_are_zero_when_the_student_is_the_teacher(
    request: pytest.FixtureRequest, name: str, kind: str
) -> None:
    split, knowledge = request.getfixturevalue(name)
    world, path = (IMAGES, MAP[0]) if name == "images" else (TOKENS, WORD[0])
    net = world.net(seed=2, teacher=True).eval()
    term = FeatureTerm(follow(path, path, kind, projector="none", **SMALL.get(kind, {})), knowledge)
    feature, batch = seen(net, split, path, [0, 1, 2, 3, 4]), split.batch(np.arange(5))
    term.prepare([feature], batch)
    found = term([feature], batch)
    assert found is not None
    assert found.item() == pytest.approx(0, abs=1e-4)  # fp16 in the cache


def test_the_flow_between_two_layers(tmp_path: Path) -> None:
    split, paths = IMAGES.split(tmp_path, image_rows()), ("stages.0", "stages.1")
    cache = cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks, features=paths)
    knowledge = knowledge_of({"t": cache})
    assert cache.feature_shape(paths[0])[1:] != cache.feature_shape(paths[1])[1:]
    batch = split.batch(np.arange(6))
    for teacher in (True, False):
        net = IMAGES.net(seed=2, teacher=teacher).eval()
        features = [seen(net, split, path, [0, 1, 2, 3, 4, 5]) for path in paths]
        projector = "none" if teacher else None
        term = FeatureTerm(follow(paths, paths, "fsp", projector=projector), knowledge)
        term.prepare(features, batch)
        found = term(features, batch)
        assert found is not None
        assert (found.item() < 1e-5) is teacher
    found.backward()
    assert all(one.grad is not None and one.grad.any() for one in net.backbone.parameters())


def test_rows_are_compared_across_tokenizers_and_numbers_of_words(
    tokens: tuple[EncodedSplit, Knowledge], tmp_path: Path
) -> None:
    """What a loss on words refuses."""
    _, knowledge = tokens
    other = TOKENS.split(tmp_path, token_rows(seed=8))
    term = FeatureTerm(follow(*WORD, "queue_similarity", size=8), knowledge)
    feature, batch = seen(TOKENS.net(), other, WORD[1], [0, 1, 2]), other.batch(np.arange(3))
    term.prepare([feature], batch)
    assert term([feature], batch) is not None


def test_rows_are_compared_across_modalities(
    images: tuple[EncodedSplit, Knowledge], tmp_path: Path
) -> None:
    """A teacher of images, a student of words: row by row."""
    _, knowledge = images
    words = TOKENS.split(tmp_path, token_rows(30, 20))
    for kind in ("queue_similarity", "crd", "relational", "similarity", "cka"):
        term = FeatureTerm(follow(MAP[0], WORD[1], kind, **SMALL.get(kind, {})), knowledge)
        feature, batch = seen(TOKENS.net(), words, WORD[1], [0, 1, 2]), words.batch(np.arange(3))
        term.prepare([feature], batch)
        found = term([feature], batch)
        assert found is not None
        assert found.isfinite()


def test_a_convolution_reads_the_students_map_before_it_is_averaged(
    images: tuple[EncodedSplit, Knowledge],
) -> None:
    split, knowledge = images
    term = FeatureTerm(follow(*MAP, "mse", projector="conv"), knowledge)
    feature, batch = torch.randn(2, 4, 9, 9), split.batch(np.arange(2))
    term.prepare([feature], batch)
    sizes: list[torch.Size] = []
    term.projectors[0].register_forward_hook(lambda module, given, out: sizes.append(out.shape))
    assert term([feature], batch) is not None
    assert sizes == [(2, 10, 9, 9)]


@pytest.mark.parametrize("name", ["images", "tokens"])
def test_the_teacher_is_standardised_by_its_training_rows(
    request: pytest.FixtureRequest, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, knowledge = request.getfixturevalue(name)
    world, (source, target) = (IMAGES, MAP) if name == "images" else (TOKENS, WORD)
    kept: list[Given] = []

    class Keeping(Loss):
        needs = frozenset({Need.TEACHER_FEATURES})

        def forward(self, given: Given) -> Tensor:
            kept.append(given)
            return given.weights.sum()

    monkeypatch.setitem(FEATURE_LOSSES, "keeping", Keeping)
    term = FeatureTerm(follow(source, target, "keeping", standardise="z_score"), knowledge)
    at = list(range(len(split)))
    feature, batch = seen(world.net(), split, target, at), split.batch(np.array(at))
    term.prepare([feature], batch)
    term([feature], batch)
    vectors = kept[0].need(Need.TEACHER_FEATURES)[kept[0].weights > 0].double()
    torch.testing.assert_close(
        vectors.mean(0), torch.zeros(len(vectors.T)).double(), atol=1e-3, rtol=0
    )
    there = knowledge.caches["t"].statistics(source).deviation > 0
    torch.testing.assert_close(
        vectors.std(0, correction=0), torch.from_numpy(there).double(), atol=1e-3, rtol=0
    )


def test_nothing_counts_where_all_words_were_cut_off(
    tokens: tuple[EncodedSplit, Knowledge], monkeypatch: pytest.MonkeyPatch
) -> None:
    split, knowledge = tokens
    for kind in ("cosine", "relational"):
        term = FeatureTerm(follow(*WORD, kind), knowledge)
        feature, batch = seen(TOKENS.net(), split, WORD[1], [0, 1]), split.batch(np.arange(2))
        term.prepare([feature], batch)
        words = batch.words["words"]
        gone = replace(words, index=torch.full_like(words.index, -1), cut=True)
        assert term([feature], replace(batch, words={"words": gone})) is None


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
        term.prepare([feature], split.batch(np.array([0, 1])))


def test_vectors_do_not_meet_maps(images: tuple[EncodedSplit, Knowledge]) -> None:
    split, knowledge = images
    term = FeatureTerm(follow(*MAP), knowledge)
    with pytest.raises(UsageError, match=r"teacher gives a map .* student a vector"):
        term.prepare([torch.ones(2, 4)], split.batch(np.array([0, 1])))


def test_other_words_than_the_teachers_are_refused(
    tokens: tuple[EncodedSplit, Knowledge], tmp_path: Path
) -> None:
    _, knowledge = tokens
    other = TOKENS.split(tmp_path, token_rows(seed=8))
    term = FeatureTerm(follow(*WORD), knowledge)
    feature = seen(TOKENS.net(), other, WORD[1], [0, 1, 2])
    batch = other.batch(np.array([0, 1, 2]))
    term.prepare([feature], batch)
    with pytest.raises(DataError, match="same words in row"):
        term([feature], batch)
