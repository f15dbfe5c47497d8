from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.tasks.spec import Output
from kd2edge.validate.compare import compare_logits

MULTI = Output(3, "softmax")
BINARY = Output(1, "sigmoid")
NAN = float("nan")


def logits(seed: int, rows: int = 6, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, classes))


@given(st.integers(0, 1000), st.sampled_from([(MULTI, 3), (BINARY, 1)]))
def test_equal_logits_agree_in_every_number(seed, head):
    output, classes = head
    values = logits(seed, classes=classes)
    found = compare_logits("x", output, values, values.copy(), 6)
    assert found.max_abs == 0
    assert found.kl == 0
    assert found.top1 == 1
    assert found.cosine == pytest.approx(1)


@given(st.integers(0, 1000), st.sampled_from([(MULTI, 3), (BINARY, 1)]))
def test_divergence_is_never_negative_and_agreement_a_share(seed, head):
    output, classes = head
    found = compare_logits("x", output, logits(seed, 6, classes), logits(seed + 1, 6, classes), 6)
    assert found.kl >= 0
    assert 0 <= found.top1 <= 1
    assert -1 - 1e-9 <= found.cosine <= 1 + 1e-9


def test_the_divergence_is_the_one_of_the_textbook():
    wanted, found = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
    by_hand = 0.5 * np.log(2) + 0.25 * np.log(0.5)
    assert compare_logits("x", MULTI, wanted, found, 1).kl == pytest.approx(by_hand)
    yes, no = np.array([[np.log(3.0)]]), np.array([[0.0]])  # 0.75 against 0.5
    by_hand = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert compare_logits("x", BINARY, yes, no, 1).kl == pytest.approx(by_hand)


@pytest.mark.parametrize("spoil", [NAN, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_infinitely_wrong(spoil):
    wanted = logits(1)
    found = wanted.copy()
    found[2, 1] = spoil
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == np.inf


def test_another_number_of_outputs_is_infinitely_wrong():
    assert compare_logits("x", MULTI, logits(1), logits(1, 5), 6).max_abs == np.inf


def test_words_that_were_cut_off_do_not_count():
    wanted, found = logits(1), logits(1)
    wanted[3], found[3] = NAN, NAN
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == 0
    found[2] = NAN  # one that the reference did answer
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == np.inf
