from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kd2edge.distill.logits.kl import kl
from kd2edge.tasks.spec import MISSING, Activation, Output
from kd2edge.teacher.top_k import bytes_of, index_dtype, kept_of, merged, placed, top_of

K = 5


def logits(seed: int, items: int = 8, classes: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(items, classes, generator=generator, dtype=torch.float64)


def chances(values: Tensor) -> np.ndarray:
    raised = np.exp(values.detach().numpy())
    return raised / raised.sum(1, keepdims=True)


def stored(values: Tensor) -> Tensor:
    """As a cache keeps them."""
    return values.half().double()


def test_the_chances_are_those_of_all_classes_and_their_rest() -> None:
    """By NumPy: sorted, the first k, and the sum of what is left."""
    whole = logits(0)
    top = top_of(whole, K)
    wanted = -np.sort(-chances(whole), axis=1)
    expected = np.concatenate([wanted[:, :K], wanted[:, K:].sum(1, keepdims=True)], axis=1)
    np.testing.assert_allclose(chances(top.logits), expected)
    assert np.array_equal(top.classes.numpy(), np.argsort(-whole.numpy(), axis=1)[:, :K])


@pytest.mark.parametrize("shift", [0.0, 3e4, -6e4])
def test_float16_does_not_lose_the_tail(shift: float) -> None:
    """A sure teacher's tail, and that of one who knows nothing, to a hundredth of themselves."""
    sure = torch.full((1, 1000), -12.0, dtype=torch.float64)
    sure[0, :3] = torch.tensor([4.0, 3.0, 0.0])
    for whole in (sure, torch.zeros(1, 1000, dtype=torch.float64)):
        found = chances(stored(top_of(whole + shift, 3).logits))
        expected = np.sort(chances(whole))[:, :-3].sum()
        assert found[0, -1] == pytest.approx(expected, rel=0.01)


def test_the_divergence_is_0_of_equals_and_never_above_that_of_all_classes() -> None:
    """Putting classes together loses what is among them (the data processing inequality)."""
    student, teacher = logits(0), logits(1)
    top = top_of(teacher, K)
    found = kl(merged(student, top.classes), top.logits, 1.0)
    assert (found > 0).all()
    assert (found <= kl(student, teacher, 1.0)).all()
    torch.testing.assert_close(
        kl(merged(teacher, top.classes), top.logits, 3.0), torch.zeros(8).double()
    )


def test_no_bias_where_renormalised_classes_have_one() -> None:
    """At the teacher itself the gradient is 0; over k classes alone it pulls mass to them."""
    teacher = logits(1)
    student = teacher.clone().requires_grad_()
    top = top_of(teacher, K)
    (ours,) = torch.autograd.grad(kl(merged(student, top.classes), top.logits, 1.0).sum(), student)
    torch.testing.assert_close(ours, torch.zeros_like(ours), atol=1e-9, rtol=0)
    hard = torch.zeros_like(teacher).scatter(1, top.classes, top.logits[:, :K].softmax(1))
    crossed = torch.nn.functional.cross_entropy(student, hard, reduction="sum")
    (theirs,) = torch.autograd.grad(crossed, student)
    assert (theirs.gather(1, top.classes).sum(1) < -1e-3).all()


def test_the_students_tail_learns_as_one() -> None:
    student, top = logits(0).requires_grad_(), top_of(logits(1), K)
    (found,) = torch.autograd.grad(kl(merged(student, top.classes), top.logits, 1.0).sum(), student)
    outside = torch.ones_like(found).scatter(1, top.classes, 0).bool()
    shares = found.detach()[outside].view(8, -1)
    spread = student.detach()[outside].view(8, -1).softmax(1)
    torch.testing.assert_close(shares, shares.sum(1, keepdim=True) * spread)


@pytest.mark.parametrize("scale", [0.0, 1e4])
def test_extreme_logits_have_finite_gradients(scale: float) -> None:
    student = (scale * logits(0).sign()).float().requires_grad_()
    top = top_of((scale * logits(1).sign()).float(), K)
    assert top.logits.isfinite().all()
    loss = kl(merged(student, top.classes), top.logits, 0.5).sum()
    assert loss.isfinite()
    assert torch.autograd.grad(loss, student)[0].isfinite().all()


def test_labels_stand_where_their_class_does_or_in_the_tail() -> None:
    classes = torch.tensor([[7, 3], [7, 3], [7, 3], [7, 3]])
    labels = torch.tensor([3, 7, 5, MISSING])
    assert placed(labels, classes).tolist() == [1, 0, 2, MISSING]


def test_places_of_a_map_are_items() -> None:
    whole = logits(0, items=6)
    flat, placed_on_a_map = top_of(whole, K), top_of(whole.view(1, 2, 3, -1), K)
    for one, other in zip(flat, placed_on_a_map, strict=True):
        assert torch.equal(one, other.flatten(0, -2))


def test_what_nobody_saw_stays_nan() -> None:
    whole = logits(0)
    whole[2] = torch.nan
    top = top_of(whole, K)
    assert top.logits[2].isnan().all()
    assert not top.logits[[0, 1, 3]].isnan().any()
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
        (2 * channels,) if kept is None else (2 * kept + 2, 2 * kept)
    )


def test_indices_are_as_wide_as_they_must_be() -> None:
    for channels in (300, 2**15, 2**15 + 1, 10**6):
        assert np.iinfo(index_dtype(channels)).max >= channels - 1
