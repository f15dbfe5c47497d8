from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from kd2edge.tasks.spec import Output
from kd2edge.teacher.joins.mean import Mean
from kd2edge.teacher.joins.skill import Skill
from teacher.joins.said import OUTPUTS, SOFTMAX, VALUES, chances, said, together

EACH = pytest.mark.parametrize("output", OUTPUTS, ids=lambda one: one.activation)


@EACH
@pytest.mark.parametrize("power", [0.5, 1.0, 3.0])
def test_the_shares_are_those_of_the_powers_of_what_is_lacked(output: Output, power: float) -> None:
    lacks = (0.1, 0.2, 0.4)
    several = [said(output, seed) for seed in range(3)]
    weights = np.array(lacks) ** -power
    of_all = np.stack([chances(one, output.activation) for one in several])
    expected = np.tensordot(weights / weights.sum(), of_all, axes=1)
    found = together(Skill(power), several, output, lacks=lacks)
    np.testing.assert_allclose(chances(found, output.activation), expected, rtol=1e-5, atol=1e-6)


def test_errors_at_power_2_are_weighed_as_their_variances_ask() -> None:
    """Bates and Granger (1969): one of variance 4 has a fifth beside one of variance 1."""
    found = together(Skill(2.0), [torch.ones(1, 2), torch.zeros(1, 2)], VALUES, lacks=(2.0, 1.0))
    torch.testing.assert_close(found, torch.full((1, 2), 0.2))


@EACH
def test_equal_skills_and_a_power_of_0_are_the_mean(output: Output) -> None:
    several = [said(output, seed) for seed in range(2)]
    mean = together(Mean(), several, output, 2.0)
    for power, lacks in ((2.0, (0.3, 0.3)), (0.0, (0.1, 0.9))):
        torch.testing.assert_close(together(Skill(power), several, output, 2.0, lacks=lacks), mean)


@EACH
def test_a_weight_of_0_is_absence(output: Output) -> None:
    """One that lacks 10^12 times as much, to the tenth power, has a weight that is 0 in float32."""
    good, bad = said(output, 0), said(output, 1)
    found = together(Skill(10.0), [good, bad], output, 2.0, lacks=(1e-12, 1.0))
    assert found.isfinite().all()
    if output.activation == "softmax":
        found, good = found.log_softmax(-1), good.log_softmax(-1)
    torch.testing.assert_close(found, good)


def test_the_order_of_teachers_changes_no_bit() -> None:
    several = {name: (said(SOFTMAX, seed), 0.1 + seed) for seed, name in enumerate("abc")}
    found = []
    for names in itertools.permutations("abc"):
        logits, lacks = zip(*(several[name] for name in names), strict=True)
        found.append(together(Skill(1.5), logits, SOFTMAX, 3.0, lacks=lacks, names="".join(names)))
    assert all(torch.equal(one, found[0]) for one in found[1:])


@EACH
def test_one_teacher_twice_is_that_teacher(output: Output) -> None:
    alone = said(output, 0)
    found = together(Skill(1.0), [alone, alone], output, lacks=(0.2, 0.7))
    np.testing.assert_allclose(
        chances(found, output.activation), chances(alone, output.activation), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("lacks", [(1e-12, 1e-12), (1e-12, 3.0), (1e6, 1e-3)])
@pytest.mark.parametrize("power", [0.0, 1.0, 10.0])
def test_weights_are_finite_and_never_all_0(lacks: tuple[float, float], power: float) -> None:
    several = [said(SOFTMAX, seed) for seed in range(2)]
    assert together(Skill(power), several, SOFTMAX, lacks=lacks).isfinite().all()
