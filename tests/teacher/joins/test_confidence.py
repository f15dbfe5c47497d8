from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.tasks.spec import Output, TaskName, TaskSpec
from kd2edge.teacher.joins.confidence import Confidence
from kd2edge.teacher.joins.join import Several
from kd2edge.teacher.top_k import top_of
from teacher.joins.said import SIGMOID, SOFTMAX, Floats, chances, said, together

EACH = pytest.mark.parametrize("output", [SOFTMAX, SIGMOID], ids=lambda one: one.activation)


def certainty(logits: torch.Tensor, output: Output) -> Floats:
    """One minus the normalised entropy, written out ``[item]``."""
    found = chances(logits, output.activation)
    if output.activation == "softmax":
        return 1 + (found * np.log(found)).sum(-1) / np.log(output.channels)
    of_labels = found * np.log(found) + (1 - found) * np.log(1 - found)
    return 1 + of_labels.mean(-1) / np.log(2)


@EACH
def test_each_item_weighs_each_teacher_by_its_certainty(output: Output) -> None:
    several = [said(output, seed) for seed in range(3)]
    weights = np.stack([certainty(one, output) for one in several])[..., None]
    of_all = np.stack([chances(one, output.activation) for one in several])
    expected = (weights * of_all).sum(0) / weights.sum(0)
    found = together(Confidence(), several, output)
    np.testing.assert_allclose(chances(found, output.activation), expected, rtol=1e-4)


@EACH
def test_how_sure_it_is_knows_no_temperature_of_the_loss(output: Output) -> None:
    several = [said(output, seed) for seed in range(2)]
    weights = np.stack([certainty(one, output) for one in several])[..., None]
    of_all = np.stack([chances(one / 5, output.activation) for one in several])
    expected = (weights * of_all).sum(0) / weights.sum(0)
    found = together(Confidence(), several, output, 5.0)
    np.testing.assert_allclose(chances(found / 5, output.activation), expected, rtol=1e-4)


@EACH
def test_who_knows_nothing_of_an_item_is_not_heard(output: Output) -> None:
    knows, nothing = said(output, 0), torch.zeros(6, output.channels)
    found = together(Confidence(), [knows, nothing], output)
    np.testing.assert_allclose(
        chances(found, output.activation), chances(knows, output.activation), rtol=1e-4
    )


@EACH
def test_where_nobody_knows_anything_all_weigh_alike(output: Output) -> None:
    nothing = torch.zeros(2, output.channels)
    found = together(Confidence(), [nothing, nothing], output)
    torch.testing.assert_close(found - found[:, :1], nothing)


@EACH
def test_one_teacher_twice_is_that_teacher_and_order_changes_no_bit(output: Output) -> None:
    alone = said(output, 0)
    twice = together(Confidence(), [alone, alone], output, 2.0)
    np.testing.assert_allclose(
        chances(twice, output.activation), chances(alone, output.activation), rtol=1e-5
    )
    several = {name: said(output, seed) for seed, name in enumerate("abc")}
    found = [
        together(Confidence(), [several[one] for one in names], output, names="".join(names))
        for names in itertools.permutations("abc")
    ]
    assert all(torch.equal(one, found[0]) for one in found[1:])


@EACH
def test_extreme_logits_are_all_certainty(output: Output) -> None:
    sure = torch.tensor([[1e4, -1e4, -1e4, -1e4]])[:, : output.channels]
    several = Several(torch.stack([sure, -sure, 0 * sure]), output, None)
    weights = Confidence().weights(several)
    assert weights.isfinite().all()
    assert weights[0].item() == pytest.approx(1)
    assert weights[2].item() == pytest.approx(0, abs=1e-6)
    assert together(Confidence(), [sure, -sure], output, 0.5).isfinite().all()


def test_one_class_is_certain() -> None:
    output = Output(1, "softmax")
    several = Several(torch.zeros(2, 3, 1), output, None)
    torch.testing.assert_close(Confidence().weights(several), torch.ones(2, 3))


def test_the_mass_of_classes_that_stand_together_is_taken_for_spread() -> None:
    """So a teacher that knows nothing of 300 classes is not sure of the ghost that they are in."""
    output = Output(300, "softmax")
    whole = torch.zeros(1, 1, 300)
    whole[..., :5] = torch.tensor([4.0, 3.0, 2.0, 2.0, 1.0])
    for logits in (whole, torch.zeros_like(whole)):
        cut = Several(top_of(logits[0], 5).at(1.0)[None], output, None)
        torch.testing.assert_close(
            Confidence().weights(cut),
            Confidence().weights(Several(logits, output, None)),
            atol=1e-5,
            rtol=1e-4,
        )


def test_values_have_no_certainty() -> None:
    spec = TaskSpec(TaskName("pay"), "regression", (), "mae")
    with pytest.raises(UsageError, match="join of pay: confidence .* regression: write mean or"):
        Confidence().require_fits(spec)
