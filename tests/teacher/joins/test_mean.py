from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from kd2edge.distill.logits.kl import kl
from kd2edge.tasks.spec import Output
from kd2edge.teacher.joins.mean import Mean
from teacher.joins.said import OUTPUTS, SIGMOID, SOFTMAX, chances, said, together

EACH = pytest.mark.parametrize("output", OUTPUTS, ids=lambda one: one.activation)


@EACH
@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.5])
def test_it_is_the_mean_of_the_softened_distributions(output: Output, temperature: float) -> None:
    """By NumPy; values know no temperature."""
    several = [said(output, seed) for seed in range(3)]
    soft = 1.0 if output.activation == "none" else temperature
    expected = np.mean([chances(one / soft, output.activation) for one in several], axis=0)
    found = together(Mean(), several, output, temperature)
    np.testing.assert_allclose(chances(found / soft, output.activation), expected, rtol=1e-5)


@EACH
def test_one_teacher_twice_is_that_teacher(output: Output) -> None:
    alone = said(output, 0)
    found = together(Mean(), [alone, alone.clone()], output, 3.0)
    if output.activation == "softmax":  # which leaves a constant open
        found, alone = found.log_softmax(-1), alone.log_softmax(-1)
    torch.testing.assert_close(found, alone)


@EACH
def test_the_order_of_teachers_changes_no_bit(output: Output) -> None:
    several = {name: said(output, seed) for seed, name in enumerate("abc")}
    found = [
        together(Mean(), [several[name] for name in names], output, 2.0, names="".join(names))
        for names in itertools.permutations("abc")
    ]
    assert all(torch.equal(one, found[0]) for one in found[1:])


@EACH
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_extreme_logits_of_a_float16_cache_stay_finite(output: Output, temperature: float) -> None:
    sure = torch.tensor([[1e4, -1e4, 0.0, 3.0]])[:, : output.channels].half().float()
    for several in ([sure, -sure], [sure, sure], [-sure, torch.zeros_like(sure)]):
        assert together(Mean(), several, output, temperature).isfinite().all()


def test_two_sure_teachers_of_two_classes_are_torn() -> None:
    one, other = torch.tensor([[1e4, 0.0, 0.0, 0.0]]), torch.tensor([[0.0, 1e4, 0.0, 0.0]])
    found = together(Mean(), [one, other], SOFTMAX).softmax(-1)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5, 0.0, 0.0]]))


def test_a_chance_that_float32_takes_for_1_keeps_its_logit() -> None:
    sure = torch.tensor([[40.0, -40.0, 1e3]])
    torch.testing.assert_close(together(Mean(), [sure, sure], SIGMOID), sure)
    found = together(Mean(), [sure, torch.full_like(sure, 1e4)], SIGMOID)
    # log(1 - p) of the mean is that of the one that is less sure, halved.
    torch.testing.assert_close(found[0, 0], torch.tensor(40.0) + np.log(2))


def test_the_divergence_from_the_mean_has_the_gradient_of_the_mean_divergence() -> None:
    """At the loss's own temperature: what is averaged may be teachers or losses."""
    several, student = [said(SOFTMAX, seed) for seed in range(3)], said(SOFTMAX, 9)
    gradients = []
    for teachers in ([together(Mean(), several, SOFTMAX, 2.0)], several):
        ours = student.clone().requires_grad_()
        torch.stack([kl(ours, one, 2.0).sum() for one in teachers]).mean().backward()
        gradients.append(ours.grad)
    torch.testing.assert_close(*gradients)


def test_a_temperature_an_item_is_that_items() -> None:
    several, temperature = (
        [said(SIGMOID, seed, 2) for seed in range(2)],
        torch.tensor([[1.0], [3.0]]),
    )
    found = together(Mean(), several, SIGMOID, temperature)
    for item, one in enumerate((1.0, 3.0)):
        torch.testing.assert_close(found[item], together(Mean(), several, SIGMOID, one)[item])


def test_a_word_counts_for_those_that_saw_it() -> None:
    one, other = said(SOFTMAX, 0, 3), said(SOFTMAX, 1, 3)
    one[0], other[0], other[1] = torch.nan, torch.nan, torch.nan
    found = together(Mean(), [one, other], SOFTMAX, ragged=True)
    assert found[0].isnan().all()
    torch.testing.assert_close(found[1], one[1].log_softmax(-1))
    assert found[2].isfinite().all()


def test_nan_of_a_row_is_no_silence() -> None:
    """A teacher whose training went wrong must not be left out unnoticed."""
    one, other = said(SOFTMAX, 0, 2), said(SOFTMAX, 1, 2)
    one[0] = torch.nan
    found = together(Mean(), [one, other], SOFTMAX)
    assert found[0].isnan().all()
    assert found[1].isfinite().all()


def test_no_items_are_no_items() -> None:
    assert together(Mean(), [said(SOFTMAX, 0, 0), said(SOFTMAX, 1, 0)], SOFTMAX).shape == (0, 4)
