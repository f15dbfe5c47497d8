from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    EDGES,
    HUGE,
    assert_finite,
    assert_ignores_what_does_not_count,
    given,
    made,
    random,
)
from kd2edge.distill.features.crd import CRD


def crd(rows: int = 8, **options: float) -> CRD:
    torch.manual_seed(1)
    found = made("crd", rows=rows, teacher=(4,), **{"width": 3, **options})
    assert isinstance(found, CRD)
    return found


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def embedded(layer: torch.nn.Linear, features: torch.Tensor) -> np.ndarray:
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    return unit(features.double().numpy() @ weight.T + bias)


def by_formula(own: CRD, student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> float:
    """Tian et al. 2020, both ways, all other rows drawn: Z from this batch, h = p / (p + N / M)."""
    total, rows = 0.0, len(own.student_memory)
    for layer, features, memory in (
        (own.student_embedding, student, own.teacher_memory),
        (own.teacher_embedding, teacher, own.student_memory),
    ):
        anchors, stored = embedded(layer, features), memory.double().numpy()
        powers = np.exp(anchors @ stored.T / temperature)  # [row, row of the memory]
        # The own row is scored as the pair and once more among those drawn.
        at = np.arange(len(anchors))
        level = np.concatenate([powers[at, at], powers.flatten()]).mean() * rows
        for one, row in zip(powers / level, at, strict=True):
            drawn = [other for other in range(rows) if other != row]
            share = len(drawn) / rows
            total -= np.log(one[row] / (one[row] + share))
            total -= sum(np.log(share / (one[other] + share)) for other in drawn)
    return total / len(student)


def test_the_formula_of_the_paper_when_all_rows_are_drawn() -> None:
    own = crd(negatives=100)
    student, teacher = random(), random(seed=1)
    expected = by_formula(own, student, teacher, 0.07)
    assert own(given(student, teacher)).item() == pytest.approx(expected, rel=1e-3)


def test_the_memory_of_the_rows_that_count_moves_towards_what_was_said() -> None:
    own = crd(momentum=0.25)
    before = own.student_memory.clone()
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    said = embedded(own.student_embedding, random())
    own(given(random(), random(seed=1), weights))
    expected = unit(0.25 * before[:6].double().numpy() + 0.75 * said)
    np.testing.assert_allclose(own.student_memory[[0, 2, 3]], expected[[0, 2, 3]], atol=1e-6)
    for row in (1, 6, 7):
        assert torch.equal(own.student_memory[row], before[row])


def test_a_row_is_never_told_from_itself() -> None:
    """With one other row, only that one is told apart, however often the row itself is drawn."""
    own = crd(rows=2, negatives=50)
    found = own._drawn()
    assert set(found.tolist()) == {0, 1}
    value = own(given(random(2), random(2, seed=1))).item()
    expected = by_formula(crd(rows=2), random(2), random(2, seed=1), 0.07)
    assert value == pytest.approx(expected, rel=1e-3)


def test_the_constant_is_that_of_the_first_batch_that_counts() -> None:
    own = crd()
    own(given(random(), random(seed=1), torch.zeros(6)))
    assert own.teacher_level.isnan()
    own(given(random(), random(seed=1)))
    first = own.teacher_level.clone()
    own(given(random(seed=2), random(seed=3)))
    assert torch.equal(own.teacher_level, first)
    assert first.isfinite()


def test_it_learns_to_tell_rows_apart() -> None:
    own = crd(rows=6)
    student = random().requires_grad_()
    optimizer = torch.optim.Adam([student, *own.parameters()], lr=0.05)
    values = []
    for _ in range(60):
        optimizer.zero_grad()
        value = own(given(student, random(seed=1)))
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert np.mean(values[-5:]) < 0.7 * np.mean(values[:5])


def test_one_training_row_is_refused() -> None:
    with pytest.raises(ValueError, match="two training rows"):
        crd(rows=1)


def test_what_does_not_count_is_ignored() -> None:
    own = crd()
    own(given(random(), random(seed=1)))  # the constant is there
    assert_ignores_what_does_not_count(own)


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
@pytest.mark.parametrize("temperature", [0.001, 0.07])
def test_finite_at_the_edge(edge, temperature: float) -> None:
    own = crd(temperature=temperature)
    assert_finite(own, *edge)
    assert own.student_memory.isfinite().all()
    assert own.teacher_memory.isfinite().all()
    for parameter in own.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()
