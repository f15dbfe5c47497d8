from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax
from scipy.stats import entropy

from distill.tiny import random_logits
from kd2edge.tasks.spec import Activation, Output
from kd2edge.teacher.doubt import doubt
from kd2edge.teacher.top_k import top_of

MANY = Output(1000, "softmax")


def test_of_a_softmax_the_entropy_in_units_of_the_largest() -> None:
    logits = random_logits(0, items=20, channels=5)
    expected = entropy(softmax(logits.numpy(), -1), axis=-1, base=5)
    np.testing.assert_allclose(doubt(logits, Output(5, "softmax")).numpy(), expected)


def test_of_a_sigmoid_the_mean_over_each_labels_yes_and_no() -> None:
    logits = random_logits(1, items=20, channels=3)
    yes = expit(logits.numpy())
    expected = entropy(np.stack([yes, 1 - yes]), axis=0, base=2).mean(-1)
    np.testing.assert_allclose(doubt(logits, Output(3, "sigmoid")).numpy(), expected)


def test_yes_and_no_are_two_classes() -> None:
    yes = random_logits(2, items=20, channels=1)
    two = torch.cat([torch.zeros_like(yes), yes], dim=-1)
    found = doubt(yes, Output(1, "sigmoid"))
    torch.testing.assert_close(found, doubt(two, Output(2, "softmax")))


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_nothing_known_is_1_and_one_answer_is_0_at_any_size(activation: Activation) -> None:
    extreme = torch.tensor([[0.0, 0.0, 0.0], [1e4, -1e4, -1e4], [-1e4, -1e4, 1e4]])
    found = doubt(extreme, Output(3, activation))
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 0.0]))
    assert found.min() >= 0
    assert found.max() <= 1


def test_of_one_class_there_is_none() -> None:
    assert doubt(torch.tensor([[3.0], [-1e4]]), Output(1, "softmax")).tolist() == [0, 0]


def test_who_knows_nothing_of_many_classes_is_not_sure_of_the_ghost() -> None:
    """As one class among 65 it would be the likeliest by far, and the item all but decided."""
    cut = top_of(torch.zeros(1, 1000), 64).at(1.0)
    assert doubt(cut, MANY).item() == pytest.approx(1, abs=1e-5)


@given(st.integers(0, 1000), st.floats(0.1, 6), st.sampled_from([2, 16, 64]))
def test_of_classes_put_together_it_is_never_less_than_of_all(
    seed: int, spread: float, k: int
) -> None:
    logits = spread * torch.from_numpy(np.random.default_rng(seed).standard_normal((3, 1000)))
    chances = softmax(logits.numpy(), -1)
    whole = entropy(chances, axis=-1, base=1000)
    first = -np.sort(-chances, -1)[:, :k]
    each = (1 - first.sum(-1, keepdims=True)) / (1000 - k)
    evenly = np.concatenate([first, np.repeat(each, 1000 - k, axis=1)], -1)
    found = doubt(top_of(logits, k).at(1.0), MANY).numpy()
    np.testing.assert_allclose(found, entropy(evenly, axis=-1, base=1000), rtol=1e-6)
    assert (found >= whole - 1e-9).all()
