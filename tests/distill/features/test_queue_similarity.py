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
from kd2edge.distill.features.queue_similarity import QueueSimilarity
from kd2edge.distill.loss import Loss


def loss(size: int = 5, **options: float) -> QueueSimilarity:
    found = made("queue_similarity", size=size, **options)
    assert isinstance(found, QueueSimilarity)
    return found


def unit(vectors: torch.Tensor) -> np.ndarray:
    found = vectors.double().numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def by_formula(student, teacher, queue, said: float, wanted: float) -> float:
    """Fang et al. 2021: softmax over the queue and the teacher's own vector, less the entropy."""

    def shares(vector: np.ndarray, own: np.ndarray, temperature: float) -> np.ndarray:
        powers = np.exp(np.array([vector @ one for one in [*queue, own]]) / temperature)
        return powers / powers.sum()

    found = []
    for one, other in zip(unit(student), unit(teacher), strict=True):
        p, q = shares(other, other, wanted), shares(one, other, said)
        found.append(float((p * np.log(p / q)).sum()))
    return float(np.mean(found))


def test_the_formula_of_the_paper_once_there_is_a_queue() -> None:
    own = loss(size=10, temperature=0.2, teacher_temperature=0.1)
    earlier = random(seed=5)
    assert own(given(random(), earlier)).item() == pytest.approx(0, abs=1e-6)  # nobody to be like
    student, teacher = random(seed=2), random(seed=3)
    found = own(given(student, teacher)).item()
    expected = by_formula(student, teacher, unit(earlier), 0.2, 0.1)
    assert found == pytest.approx(expected, rel=1e-4)


def test_the_latest_rows_stay_and_those_that_do_not_count_never_enter() -> None:
    own, teacher = loss(size=5), [random(3, seed=seed) for seed in range(3)]
    for one in teacher:
        own(given(random(3), one, torch.tensor([1.0, 0.0, 1.0])))
    expected = np.concatenate([unit(one[[0, 2]]) for one in reversed(teacher)])[:5]
    np.testing.assert_allclose(own.queue, expected, atol=1e-6)
    assert own.filled.tolist() == [1] * 5


def test_a_batch_that_is_larger_than_the_queue() -> None:
    own = loss(size=2)
    own(given(random(), random(seed=1)))
    np.testing.assert_allclose(own.queue, unit(random(seed=1)[:2]), atol=1e-6)


def test_zero_when_student_equals_teacher_at_one_temperature() -> None:
    own = loss(temperature=0.1, teacher_temperature=0.1)
    own(given(random(), random(seed=1)))
    assert own(given(3 * random(seed=2), random(seed=2))).item() == pytest.approx(0, abs=1e-6)


def test_the_queue_comes_back() -> None:
    one, other = loss(), loss()
    one(given(random(), random(seed=1)))
    other.load_state_dict(one.state_dict())
    again = [own(given(random(seed=2), random(seed=3))) for own in (one, other)]
    assert torch.equal(*again)


def full() -> Loss:
    own = loss()
    own(given(random(), random(seed=5)))
    return own


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(full())


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
@pytest.mark.parametrize("own", [loss, full])
def test_finite_at_the_edge(edge, own) -> None:
    assert_finite(own(), *edge)
