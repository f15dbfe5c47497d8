"""What all other classes are together, by NumPy over each of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kd2edge.teacher.tail import TEMPERATURES, curve_of, logit_at

Floats = npt.NDArray[np.float64]


def together(logits: Floats, temperature: float) -> Floats:
    """``log(sum exp(z / T))``, written out ``[item]``."""
    soft = logits / temperature
    most = soft.max(-1, keepdims=True)
    return most[:, 0] + np.log(np.exp(soft - most).sum(-1))


def kept(logits: Floats) -> Tensor:
    """As a cache keeps it: float16, read as float32."""
    return curve_of(torch.from_numpy(logits)).half().float()


def off(logits: Floats, temperature: float) -> float:
    """How far the logarithm of the mass is from that of all classes."""
    found = logit_at(kept(logits), temperature)[:, 0].double().numpy() / temperature
    return float(np.abs(found - together(logits, temperature)).max())


def spread_like_a_nets(seed: int, spread: float, classes: int) -> Floats:
    values = spread * np.random.default_rng(seed).standard_normal((4, classes))
    return -np.sort(-(values - values.max(-1, keepdims=True)), -1)[:, 64:]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_at_a_temperature_that_is_kept_it_is_exact_but_for_float16(
    temperature: float, spread: float
) -> None:
    logits = spread_like_a_nets(0, spread, 1000)
    largest = np.abs(together(logits, temperature)).max()
    assert off(logits, temperature) <= max(largest, 1) * 2**-11 + 1e-5


@given(st.integers(0, 10**6), st.floats(0.1, 3), st.floats(1, 25), st.sampled_from([300, 1000]))
def test_between_them_a_tail_like_a_nets_is_as_exact(
    seed: int, spread: float, temperature: float, classes: int
) -> None:
    """Float16 alone leaves up to 0.004 of numbers between 8 and 16."""
    logits = spread_like_a_nets(seed, spread, classes)
    largest = np.abs(together(logits, temperature)).max()
    assert off(logits, temperature) <= 0.003 + max(largest, 1) * 2**-11


@given(
    st.integers(1, 1000),
    st.integers(1, 20_000),
    st.floats(0, 400),
    st.floats(0.5, 32),
)
def test_the_worst_tail_of_two_sizes_has_a_bound(
    few: int, many: int, gap: float, temperature: float
) -> None:
    """The curve has its sharpest bend where classes of two sizes have the same mass."""

    def curve(one: float) -> float:
        return float(np.logaddexp(np.log(few), np.log(many) - gap / one))

    values = torch.tensor([[curve(one) for one in TEMPERATURES]], dtype=torch.float64)
    found = logit_at(values, temperature).item() / temperature
    assert abs(found - curve(temperature)) <= (0.02 if 1 <= temperature <= 8 else 0.06)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 40.0, 100.0])
def test_beyond_them_it_is_below_the_curve_by_little(temperature: float) -> None:
    """A tangent of a convex curve."""
    logits = spread_like_a_nets(0, 3.0, 1000)
    found = logit_at(curve_of(torch.from_numpy(logits)), temperature)[:, 0].numpy()
    wanted = together(logits, temperature) * temperature
    assert (found <= wanted + 1e-3 * temperature).all()
    np.testing.assert_allclose(found, wanted, atol=0.25 if temperature < 1 else 0.02 * temperature)


def test_items_have_their_own_temperature() -> None:
    curve = kept(spread_like_a_nets(0, 3.0, 300))
    each = torch.tensor([[1.0], [2.7], [0.1], [64.0]])
    found = logit_at(curve, each)
    for at, one in enumerate(each[:, 0].tolist()):
        torch.testing.assert_close(found[at], logit_at(curve[at : at + 1], one)[0])


@pytest.mark.parametrize("temperature", [0.1, 0.7, 1.0, 2.0, 5.5, 50.0])
def test_a_learned_temperature_has_the_gradient_of_the_curve(temperature: float) -> None:
    """By central differences of NumPy's curve; beyond the ends of its tangent, which is kept."""
    logits = spread_like_a_nets(1, 3.0, 1000)
    learned = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    curve = curve_of(torch.from_numpy(logits))
    (found,) = torch.autograd.grad(logit_at(curve, learned).sum(), learned)
    by = 1e-4 * temperature
    if min(TEMPERATURES) <= temperature <= max(TEMPERATURES):
        ends = [together(logits, one) * one for one in (temperature - by, temperature + by)]
    else:
        ends = [logit_at(curve, one)[:, 0].numpy() for one in (temperature - by, temperature + by)]
    slope = float((ends[1] - ends[0]).sum() / (2 * by))
    assert found.item() == pytest.approx(slope, rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("size", [0.0, -40.0, -1e4, -6e4])
def test_extreme_logits_are_finite_and_have_finite_gradients(size: float) -> None:
    logits = np.full((1, 1000), size)
    curve = curve_of(torch.from_numpy(logits)).clamp(-65504, 65504).half().float()
    for temperature in (0.1, 0.5, 1.3, 8.0, 100.0):
        learned = torch.tensor(temperature, requires_grad=True)
        found = logit_at(curve, learned)
        assert found.isfinite().all()
        assert torch.autograd.grad(found.sum(), learned)[0].isfinite()


def test_who_was_not_seen_stays_nan() -> None:
    curve = torch.full((1, len(TEMPERATURES)), torch.nan)
    assert logit_at(curve, 2.0).isnan().all()
