from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from scipy.stats import entropy

from distill.schedules.moments import asked
from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, image_rows, random_logits, token_rows
from kd2edge.distill.schedules.confidence import Confidence, sure_by_probability
from kd2edge.tasks.spec import Activation

MANY = replace(SHAPE, labels=(*SHAPE.labels, *(f"more {at}" for at in range(300))))


def test_of_a_softmax_the_largest_probability_beyond_chance() -> None:
    logits = random_logits(0, items=20, channels=5)
    expected = (5 * softmax(logits.numpy(), -1).max(-1) - 1) / 4
    found = sure_by_probability(logits, "softmax", 5, cut=False)
    np.testing.assert_allclose(found.numpy(), expected)


def test_of_a_sigmoid_the_mean_over_each_labels_yes_and_no() -> None:
    logits = random_logits(1, items=20, channels=3)
    yes = expit(logits.numpy())
    largest = 2 * np.maximum(yes, 1 - yes) - 1
    found = sure_by_probability(logits, "sigmoid", 3, cut=False)
    np.testing.assert_allclose(found.numpy(), largest.mean(-1))


def test_yes_and_no_are_two_classes() -> None:
    yes = random_logits(2, items=20, channels=1)
    two = torch.cat([torch.zeros_like(yes), yes], dim=-1)
    torch.testing.assert_close(
        sure_by_probability(yes, "sigmoid", 1, cut=False),
        sure_by_probability(two, "softmax", 2, cut=False),
    )


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_nothing_known_is_0_and_no_doubt_is_1_at_any_size(activation: Activation) -> None:
    extreme = torch.tensor([[0.0, 0.0, 0.0], [1e4, -1e4, -1e4], [-1e4, -1e4, 1e4]])
    found = sure_by_probability(extreme, activation, 3, cut=False)
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 1.0]))
    assert found.min() >= 0
    assert found.max() <= 1


def test_of_one_class_there_is_no_doubt() -> None:
    logits = torch.tensor([[3.0], [-1e4]])
    assert sure_by_probability(logits, "softmax", 1, cut=False).tolist() == [1, 1]


@pytest.mark.parametrize("task", [SHAPE, DARK])
def test_alpha_is_between_low_and_high(task, tmp_path: Path) -> None:
    moment, teacher, _ = asked(IMAGES, task, image_rows(), tmp_path)
    found = Confidence(0.25, 0.75, "probability").at(moment)
    channels = teacher.shape[-1]
    activation = moment.items.output.activation
    sure = sure_by_probability(teacher, activation, channels, cut=False)
    torch.testing.assert_close(found, 0.25 + 0.5 * sure)
    turned = Confidence(0.75, 0.25, "probability").at(moment)  # doubt is what is followed
    torch.testing.assert_close(found + turned, torch.ones_like(found))


def test_a_word_that_was_cut_off_has_the_low_one(tmp_path: Path) -> None:
    moment, *_ = asked(TOKENS, TAG, token_rows(), tmp_path)
    said = moment.teacher()
    assert said is not None
    assert 0 < (~said.seen).sum() < len(said.seen)
    found = Confidence(0.125, 1.0, "entropy").at(moment)
    assert (found[~said.seen] == 0.125).all()
    assert (found[said.seen] > 0.125).all()


def test_a_cache_of_the_likeliest_classes_tells_both(tmp_path: Path) -> None:
    moment, *_ = asked(IMAGES, MANY, image_rows(), tmp_path / "cut", top_k=4)
    _, whole, _ = asked(IMAGES, MANY, image_rows(), tmp_path / "whole", top_k=None)
    found = Confidence(0.0, 1.0, "probability").at(moment)
    probabilities = softmax(whole.double().numpy(), -1)
    np.testing.assert_allclose(found.numpy(), (303 * probabilities.max(-1) - 1) / 302, atol=1e-4)
    # By entropy all others are as likely as one another, which is all that is known of them.
    first = -np.sort(-probabilities, -1)[:, :4]
    each = (1 - first.sum(-1, keepdims=True)) / 299
    spread = np.concatenate([first, np.repeat(each, 299, axis=1)], -1)
    found = Confidence(0.0, 1.0, "entropy").at(moment)
    np.testing.assert_allclose(found.numpy(), 1 - entropy(spread, axis=-1, base=303), atol=1e-4)
    assert (found.numpy() <= 1 - entropy(probabilities, axis=-1, base=303) + 1e-4).all()


def test_by_entropy_it_is_one_minus_the_entropy_in_units_of_the_largest(tmp_path: Path) -> None:
    moment, teacher, _ = asked(IMAGES, SHAPE, image_rows(), tmp_path)
    found = Confidence(0.0, 1.0, "entropy").at(moment)
    expected = 1 - entropy(softmax(teacher.double().numpy(), -1), axis=-1, base=3)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
