"""Rows mixed in pairs, against the formulas of Zhang et al. 2018 written out in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from distill.tiny import (
    DARK,
    DISTILL,
    IMAGES,
    SHAPE,
    TOKENS,
    TOPIC,
    TRAIN,
    follow,
    image_rows,
    random_logits,
    step_alone,
    token_rows,
)
from kd2edge.data import Batch, EncodedSplit
from kd2edge.distill import Mixup, Time, knowledge_of
from kd2edge.distill.mixup import Pairs, mixed_terms, pairs_of
from kd2edge.distill.objective import Objective, Terms
from kd2edge.distill.step import Stepper, Turn
from kd2edge.errors import UsageError
from kd2edge.nets import Net
from kd2edge.tasks.spec import TaskName
from kd2edge.teacher import TeacherCache, cache_outputs

NOW = Time(5, 10, 0)
CPU = torch.device("cpu")
Array = npt.NDArray[np.float64]


@pytest.fixture
def split(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows())


@pytest.fixture
def cache(split: EncodedSplit, tmp_path: Path) -> TeacherCache:
    return cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks)


def test_pairs_are_a_function_of_seed_and_step() -> None:
    one, same = (pairs_of(0.4, 7, 3, 20) for _ in range(2))
    assert one.share == same.share
    assert np.array_equal(one.order, same.order)
    assert sorted(one.order.tolist()) == list(range(20))
    for other in (pairs_of(0.4, 7, 4, 20), pairs_of(0.4, 8, 3, 20)):
        assert other.share != one.share
        assert not np.array_equal(other.order, one.order)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_are_drawn_from_beta(alpha: float) -> None:
    """Mean 1/2 and variance 1 / (4 (2 alpha + 1))."""
    shares = np.array([pairs_of(alpha, 0, step, 1).share for step in range(3000)])
    assert abs(shares.mean() - 0.5) < 0.03
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_the_smallest_alpha_gives_shares_and_no_nan() -> None:
    shares = np.array([pairs_of(0.01, 0, step, 1).share for step in range(500)])
    assert ((shares >= 0) & (shares <= 1)).all()


def test_pictures_are_mixed_between_their_pixels() -> None:
    pixels = torch.tensor([[0, 10], [255, 20], [100, 30]], dtype=torch.uint8)
    pairs = Pairs(0.25, np.array([1, 2, 0]))
    expected = [[0.75 * 255, 17.5], [0.25 * 255 + 75, 27.5], [25.0, 15.0]]
    assert torch.allclose(pairs.mixed(pixels), torch.tensor(expected))


def mixed(objective: Objective, outputs: Mapping[str, Tensor], batch: Batch, pairs: Pairs) -> Terms:
    both = (batch, pairs.partners(batch))
    own, others = (objective.terms(outputs, {}, one, NOW) for one in both)
    return mixed_terms(own, others, pairs.share)


def softened(task: str, logits: Array, temperature: float) -> Array:
    scaled = logits / temperature
    if task == DARK.name:
        return 1 / (1 + np.exp(-scaled))
    powers = np.exp(scaled - scaled.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_gradients_are_those_of_mixed_labels_and_mixed_probabilities(
    split: EncodedSplit, cache: TeacherCache
) -> None:
    """Of rows of which some have no label: these count in neither place."""
    alpha, heat, rows = 0.7, 2.0, np.arange(25, 34)
    settings = replace(DISTILL, alpha=alpha, temperature=heat)
    objective = Objective(IMAGES.tasks, settings, knowledge_of({"t": cache}), 0.0)
    batch, pairs = split.batch(rows), pairs_of(0.4, 1, 5, len(rows))
    assert 0.01 < pairs.share < 0.99
    outputs = {
        "shape": random_logits(1, 9, 3).float().requires_grad_(),
        "dark": random_logits(2, 9, 1).float().requires_grad_(),
    }
    torch.stack(list(mixed(objective, outputs, batch, pairs).terms.values())).sum().backward()
    share, order = pairs.share, pairs.order
    for name, width in ((SHAPE.name, 3), (DARK.name, 1)):
        ours = outputs[name].detach().numpy().astype(np.float64)
        said = cache.logits(name, rows)
        assert isinstance(said, np.ndarray)
        theirs = softened(name, said.astype(np.float64), heat)
        soft = softened(name, ours, heat) - (share * theirs + (1 - share) * theirs[order])
        labels = batch.targets[TaskName(name)]["labels"].numpy()
        has = labels >= 0
        assert 0 < has.sum() < 9
        known = np.maximum(labels, 0)
        wanted = np.eye(3)[known] if width == 3 else known[:, None]
        gap = softened(name, ours, 1.0) - wanted
        others = softened(name, ours, 1.0) - wanted[order]
        hard = share * has[:, None] * gap + (1 - share) * has[order][:, None] * others
        # KL is scaled by the squared temperature, of which one divides in the softening.
        expected = alpha * heat * soft / 9 + (1 - alpha) * hard / has.sum()
        found = outputs[name].grad
        assert found is not None
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-6)


def test_a_share_of_1_is_the_loss_of_the_rows(split: EncodedSplit, cache: TeacherCache) -> None:
    objective = Objective(IMAGES.tasks, DISTILL, knowledge_of({"t": cache}), 0.0)
    batch = split.batch(np.arange(8))
    with torch.no_grad():
        outputs = IMAGES.net().eval()(batch.inputs)
    plain = objective.terms(outputs, {}, batch, NOW)
    pairs = Pairs(1.0, np.arange(8)[::-1].copy())
    for found, wanted in zip(mixed(objective, outputs, batch, pairs), plain, strict=True):
        assert {key: float(one) for key, one in found.items()} == {
            key: float(one) for key, one in wanted.items()
        }


def test_extreme_logits_and_no_labels_stay_finite(split: EncodedSplit, cache: TeacherCache) -> None:
    objective = Objective(IMAGES.tasks, DISTILL, knowledge_of({"t": cache}), 0.0)
    for rows in (np.arange(4), np.arange(40, 44), np.array([3])):
        ends = torch.tensor([1e4, -1e4, 0.0]).repeat(len(rows), 1)
        outputs = {"shape": ends.requires_grad_(), "dark": ends[:, :1].detach().requires_grad_()}
        found = mixed(objective, outputs, split.batch(rows), pairs_of(1.0, 0, 0, len(rows)))
        torch.stack(list(found.terms.values())).sum().backward()
        assert all(torch.isfinite(one).all() for one in found.terms.values())
        assert all(one.grad is not None and one.grad.isfinite().all() for one in outputs.values())


def stepper(net: Net, at: str, **distill: object) -> Stepper:
    settings = replace(TRAIN, mixup=Mixup(0.4, at), distill=replace(DISTILL, alpha=0.0, **distill))
    objective = Objective(net.tasks, replace(settings.distill, features=()), None, 0.0)
    return Stepper(net, objective, settings, CPU, "fp32")


@pytest.mark.parametrize("at", ["inputs", "features"])
def test_a_step_shows_the_net_what_is_mixed(split: EncodedSplit, at: str) -> None:
    net, batch = IMAGES.net().eval(), split.batch(np.arange(8))
    pairs = pairs_of(0.4, TRAIN.seed, NOW.step, 8)
    found = stepper(net, at).losses(Turn(batch, {}, NOW, 0.1))
    if at == "inputs":
        pixels = batch.inputs["pixel_values"].numpy().astype(np.float32)
        both = pairs.share * pixels + (1 - pairs.share) * pixels[pairs.order]
        outputs = net({"pixel_values": torch.from_numpy(both.astype(np.float32))})
    else:
        seen = net.features(batch.inputs)
        pooled = seen.pooled.detach().numpy()
        both = pairs.share * pooled + (1 - pairs.share) * pooled[pairs.order]
        outputs = net.answers(replace(seen, pooled=torch.from_numpy(both.astype(np.float32))))
    objective = Objective(IMAGES.tasks, replace(DISTILL, alpha=0.0), None, 0.0)
    wanted = mixed(objective, outputs, batch, pairs)
    assert found.raw.keys() == wanted.raw.keys()
    for key, one in wanted.raw.items():
        assert float(found.raw[key]) == pytest.approx(float(one), rel=1e-5)
    plain = objective.terms(net(batch.inputs), {}, batch, NOW)
    assert any(float(found.raw[key]) != float(one) for key, one in plain.raw.items())


def test_texts_are_mixed_at_the_vectors_that_heads_read(tmp_path: Path) -> None:
    net = TOKENS.net(tasks=(TOPIC,))
    batch = TOKENS.split(tmp_path, token_rows(), tasks=(TOPIC,)).batch(np.arange(6))
    found = step_alone(stepper(net, "features"), batch, NOW, 0.1)
    assert all(np.isfinite(float(one)) for one in found.values())
    with pytest.raises(UsageError, match="input_ids of the inputs holds ids.*at: features"):
        stepper(net, "inputs")


def test_what_has_no_mean_is_refused() -> None:
    with pytest.raises(UsageError, match=r"task tag \(token_classification\) answers for parts"):
        stepper(TOKENS.net(), "features")
    with pytest.raises(UsageError, match="features are of rows"):
        stepper(IMAGES.net(), "inputs", features=(follow("stages.1", "stages.0"),))
