"""What tests of feature losses share: losses as a recipe makes them, and batches at the edge."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from distill.tiny import follow
from kd2edge.distill.feature_join import loss_of
from kd2edge.distill.loss import Given, Loss, Sizes

#: Items of each row: 6 in all.
COUNTS = torch.tensor([3, 1, 2])
ROWS = torch.tensor([7, 7, 7, 2, 4, 4])


def random(items: int = 6, width: int = 4, *, seed: int = 0) -> Tensor:
    """Features ``[item, width]`` in float32."""
    return torch.randn(items, width, generator=torch.Generator().manual_seed(seed))


def made(
    kind: str,
    *,
    student: tuple[int, ...] = (4,),
    teacher: tuple[int, ...] = (4,),
    rows: int = 20,
    items: int | None = None,
    layers: int = 1,
    **options: Any,
) -> Loss:
    """A loss with the options of a recipe, or others, prepared for features of these widths."""
    paths = ("a", "b")[:layers]
    loss = loss_of(follow(paths, paths, kind, **options))
    loss.prepare(Sizes(rows, student, teacher, items))
    return loss


def given(
    student: Tensor, teacher: Tensor, weights: Tensor | None = None, counts: Tensor | None = None
) -> Given:
    """A batch of rows with these features; where counts say so, of their words."""
    each = torch.ones(len(student), dtype=torch.int64) if counts is None else counts
    return Given(
        weights=torch.ones(len(student)) if weights is None else weights,
        student_features=student,
        teacher_features=teacher,
        rows=torch.arange(len(each)).repeat_interleave(each),
        counts=each,
    )


def slope(loss: Loss, student: Tensor, teacher: Tensor, **more: Any) -> Tensor:
    """The gradient at the student's features."""
    leaf = student.clone().requires_grad_()
    found = loss(given(leaf, teacher, **more))
    found.backward()
    assert leaf.grad is not None
    return leaf.grad


def _one_weight() -> Tensor:
    return torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0])


#: Batches at the edge: student, teacher, weights and counts.
EDGES: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]] = {
    "ordinary": (random(), random(seed=1), torch.ones(6), COUNTS),
    "one item": (random(1), random(1, seed=1), torch.ones(1), torch.tensor([1])),
    "one counts": (random(), random(seed=1), _one_weight(), COUNTS),
    "none counts": (random(), random(seed=1), torch.zeros(6), COUNTS),
    "a row without items": (random(), random(seed=1), torch.ones(6), torch.tensor([6, 0, 0])),
    "equal items": (random(1).expand(6, 4), random(1, seed=1).expand(6, 4), torch.ones(6), COUNTS),
    "two equal": (random()[[0, 0, 1, 2, 3, 4]], random(seed=1), torch.ones(6), COUNTS),
    "zeros": (torch.zeros(6, 4), torch.zeros(6, 4), torch.ones(6), COUNTS),
    "zero student": (torch.zeros(6, 4), random(), torch.ones(6), COUNTS),
    "tiny": (1e-20 * random(), random(seed=1), torch.ones(6), COUNTS),
    "large": (1e4 * random(), -1e4 * random(seed=1), torch.ones(6), COUNTS),
}
#: Beyond what a square in float32 holds; for losses that do not grow with their features.
HUGE = (1e25 * random(), 6e4 * random(seed=1), torch.ones(6), COUNTS)


def assert_finite(
    loss: Loss, student: Tensor, teacher: Tensor, weights: Tensor, counts: Tensor
) -> None:
    """Both the value and its gradient, which is none for what does not count."""
    one_each = loss.per != "item"
    counts = torch.ones(len(student), dtype=torch.int64) if one_each else counts
    leaf = student.clone().requires_grad_()
    value = loss(given(leaf, teacher, weights, counts))
    assert value.isfinite()
    assert value >= -1e-6
    value.backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()
    assert not leaf.grad[weights == 0].any()
    assert not value.item() or weights.any()


def assert_ignores_what_does_not_count(loss: Loss, *, counts: Tensor | None = None) -> None:
    """Items of weight 0 may hold anything."""
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    student, teacher = random(), random(seed=1)
    noise = 100 * random(seed=2) * (1 - weights[:, None])
    state = {name: one.clone() for name, one in loss.state_dict().items()}
    generator = torch.get_rng_state()
    first = loss(given(student, teacher, weights, counts))
    loss.load_state_dict(state)
    torch.set_rng_state(generator)
    second = loss(given(student + noise, teacher - noise, weights, counts))
    torch.testing.assert_close(first, second)
    assert first > 0
