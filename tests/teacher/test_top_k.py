from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kd2edge.distill.logits.kl import kl
from kd2edge.tasks.spec import MISSING, Activation, Output
from kd2edge.teacher.tail import TEMPERATURES
from kd2edge.teacher.top_k import (
    Top,
    bytes_of,
    index_dtype,
    kept_of,
    merged,
    placed,
    top_of,
    with_labels,
)

K = 5
EVERY = pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 3.3, 4.0, 8.0, 20.0])


def logits(seed: int, items: int = 8, classes: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(items, classes, generator=generator, dtype=torch.float64)


def chances(values: Tensor) -> np.ndarray:
    raised = np.exp(values.detach().numpy())
    return raised / raised.sum(1, keepdims=True)


def stored(top: Top) -> Top:
    """As a cache keeps them."""
    return Top(top.logits.half().double(), top.classes, top.tail.half().double())


def divergence(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """KL, written out ``[item]``."""
    return (wanted * np.log(wanted / found)).sum(1)


def put_together(values: Tensor, classes: Tensor, temperature: float) -> np.ndarray:
    """Softened chances of some classes, and of all others together, by NumPy over all of them."""
    softened = chances(values / temperature)
    own = np.take_along_axis(softened, classes.numpy(), axis=1)
    return np.concatenate([own, 1 - own.sum(1, keepdims=True)], axis=1)


@EVERY
def test_the_chances_are_those_of_all_classes_and_their_rest(temperature: float) -> None:
    """By NumPy: sorted, the first k, and the sum of what is left."""
    whole = logits(0)
    top = top_of(whole, K)
    wanted = -np.sort(-chances(whole / temperature), axis=1)
    expected = np.concatenate([wanted[:, :K], wanted[:, K:].sum(1, keepdims=True)], axis=1)
    np.testing.assert_allclose(chances(top.at(temperature) / temperature), expected, rtol=2e-3)
    assert np.array_equal(top.classes.numpy(), np.argsort(-whole.numpy(), axis=1)[:, :K])


@EVERY
@pytest.mark.parametrize("shift", [0.0, 3e4, -6e4])
def test_float16_does_not_lose_the_tail(shift: float, temperature: float) -> None:
    """A sure teacher's tail, and that of one who knows nothing, to a hundredth of themselves."""
    sure = torch.full((1, 1000), -12.0, dtype=torch.float64)
    sure[0, :3] = torch.tensor([4.0, 3.0, 0.0])
    for whole in (sure, torch.zeros(1, 1000, dtype=torch.float64)):
        top = stored(top_of(whole + shift, 3))
        found = chances(top.at(temperature) / temperature)
        expected = np.sort(chances(whole / temperature))[:, :-3].sum()
        assert found[0, -1] == pytest.approx(expected, rel=0.01)


@EVERY
def test_the_divergence_is_that_of_the_classes_put_together(temperature: float) -> None:
    """And so never more than that of all of them (the data processing inequality)."""
    student, teacher = logits(0), logits(1)
    top = top_of(teacher, K)
    found = kl(merged(student, top.classes, temperature), top.at(temperature), temperature).numpy()
    both = [put_together(one, top.classes, temperature) for one in (teacher, student)]
    np.testing.assert_allclose(found, divergence(*both) * temperature**2, rtol=2e-3)
    whole = divergence(*(chances(one / temperature) for one in (teacher, student)))
    assert (found > 0).all()
    assert (found <= whole * temperature**2).all()


@given(st.integers(0, 10**6), st.floats(0.1, 5), st.floats(0.5, 20), st.sampled_from([2, 8, 64]))
def test_what_a_cache_keeps_teaches_the_same_at_any_temperature(
    seed: int, spread: float, temperature: float, k: int
) -> None:
    """After float16, against NumPy over all 300 classes."""
    student, teacher = (spread / 3 * logits(seed + at, classes=300) for at in (0, 1))
    top = stored(top_of(teacher, k))
    said = top.at(temperature)
    both = [put_together(one, top.classes, temperature) for one in (teacher, student)]
    np.testing.assert_allclose(chances(said / temperature), both[0], atol=2e-3)
    ours = torch.softmax(merged(student, top.classes, temperature) / temperature, 1).numpy()
    np.testing.assert_allclose(ours, both[1], rtol=1e-6)
    # Not rtol: where they agree, the divergence is 0, and what float16 leaves is of second order.
    found = kl(merged(student, top.classes, temperature), said, temperature).numpy()
    wanted = divergence(*both)
    np.testing.assert_allclose(found / temperature**2, wanted, rtol=0.02, atol=5e-4)


@EVERY
def test_no_bias_where_renormalised_classes_have_one(temperature: float) -> None:
    """At the teacher itself the gradient is 0; over k classes alone it pulls mass to them."""
    teacher = logits(1)
    student = teacher.clone().requires_grad_()
    top = top_of(teacher, K)
    loss = kl(merged(student, top.classes, temperature), top.at(temperature), temperature)
    (ours,) = torch.autograd.grad(loss.sum(), student)
    torch.testing.assert_close(ours, torch.zeros_like(ours), atol=1e-3 * temperature, rtol=0)
    hard = torch.zeros_like(teacher).scatter(1, top.classes, top.logits[:, :K].softmax(1))
    crossed = torch.nn.functional.cross_entropy(student, hard, reduction="sum")
    (theirs,) = torch.autograd.grad(crossed, student)
    assert (theirs.gather(1, top.classes).sum(1) < -1e-3).all()


def test_the_students_tail_learns_as_one() -> None:
    student, top = logits(0).requires_grad_(), top_of(logits(1), K)
    loss = kl(merged(student, top.classes, 2.0), top.at(2.0), 2.0).sum()
    (found,) = torch.autograd.grad(loss, student)
    outside = torch.ones_like(found).scatter(1, top.classes, 0).bool()
    shares = found.detach()[outside].view(8, -1)
    spread = (student.detach() / 2)[outside].view(8, -1).softmax(1)
    torch.testing.assert_close(shares, shares.sum(1, keepdim=True) * spread)


@EVERY
@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_extreme_logits_have_finite_gradients(scale: float, temperature: float) -> None:
    """Of the student and of a learned temperature."""
    student = (scale * logits(0).sign()).float().requires_grad_()
    top = stored(top_of((scale * logits(1).sign()).float(), K))
    top = Top(top.logits.float(), top.classes, top.tail.float())
    learned = torch.tensor(temperature, requires_grad=True)
    said = top.at(learned)
    assert said.isfinite().all()
    loss = kl(merged(student, top.classes, learned), said, learned).sum()
    assert loss.isfinite()
    for one in torch.autograd.grad(loss, [student, learned]):
        assert one.isfinite().all()


def test_labels_stand_where_their_class_does_or_in_the_tail() -> None:
    classes = torch.tensor([[7, 3], [7, 3], [7, 3], [7, 3]])
    labels = torch.tensor([3, 7, 5, MISSING])
    assert placed(labels, classes).tolist() == [1, 0, 2, MISSING]


@EVERY
def test_a_label_that_was_not_kept_takes_the_place_of_the_least_likely(temperature: float) -> None:
    """Exact of what is known, and of the label where the classes of the ghost are equal."""
    whole = torch.zeros(3, 40, dtype=torch.float64)
    whole[:, :K] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    top = top_of(whole, K)
    labels = torch.tensor([17, 2, MISSING])
    found, classes = with_labels(top.at(temperature), top.classes, labels, temperature, 40)
    assert classes.tolist() == [[0, 1, 2, 3, 17], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    expected = put_together(whole, classes, temperature)
    np.testing.assert_allclose(chances(found / temperature), expected, rtol=1e-4)
    assert placed(labels, classes).tolist() == [4, 2, MISSING]


@EVERY
def test_what_is_said_of_such_a_label_is_off_by_less_than_the_class_that_gives_way(
    temperature: float,
) -> None:
    whole, top = logits(0), top_of(logits(0), K)
    labels = whole.argmin(1)
    found, classes = with_labels(top.at(temperature), top.classes, labels, temperature, 40)
    apart = chances(found / temperature) - put_together(whole, classes, temperature)
    assert (np.abs(apart[:, :-2]) < 2e-4).all()
    gave_way = put_together(whole, top.classes, temperature)[:, K - 1]
    assert (np.abs(apart[:, -2]) < gave_way).all()
    # All mass is still there.
    torch.testing.assert_close(
        (found / temperature).logsumexp(1), (top.at(temperature) / temperature).logsumexp(1)
    )


def test_places_of_a_map_are_items() -> None:
    whole = logits(0, items=6)
    flat, placed_on_a_map = top_of(whole, K), top_of(whole.view(1, 2, 3, -1), K)
    for one, other in zip(flat, placed_on_a_map, strict=True):
        assert torch.equal(one, other.flatten(0, -2))


def test_what_nobody_saw_stays_nan() -> None:
    whole = logits(0)
    whole[2] = torch.nan
    top = top_of(whole, K)
    for one in (top.logits, top.tail, top.at(2.0)):
        assert one[2].isnan().all()
        assert not one[[0, 1, 3]].isnan().any()
    assert len(set(top.classes[2].tolist())) == K


@pytest.mark.parametrize(
    ("channels", "activation", "top_k", "kept"),
    [
        (256, "softmax", 64, None),
        (257, "softmax", 64, 64),
        (257, "softmax", None, None),
        (257, "sigmoid", 64, None),
        (300, "softmax", 299, None),
        (300, "softmax", 298, 298),
    ],
)
def test_only_many_classes_that_exclude_each_other_are_cut(
    channels: int, activation: Activation, top_k: int | None, kept: int | None
) -> None:
    output = Output(channels, activation)
    assert kept_of(output, top_k) == kept
    assert bytes_of(output, top_k) == (
        (2 * channels,) if kept is None else (2 * kept, 2 * kept, 2 * len(TEMPERATURES))
    )


def test_indices_are_as_wide_as_they_must_be() -> None:
    for channels in (300, 2**15, 2**15 + 1, 10**6):
        assert np.iinfo(index_dtype(channels)).max >= channels - 1
