from __future__ import annotations

import numpy as np
import pytest
import torch

from distill.features.cases import (
    COUNTS,
    EDGES,
    HUGE,
    assert_finite,
    assert_ignores_what_does_not_count,
    given,
    made,
    random,
)


def by_formula(student: np.ndarray, teacher: np.ndarray, heads: int) -> list[float]:
    """Wang et al. 2021: the divergence of softmax(A A' / sqrt(d)), a word each, mean over heads."""

    def shares(side: np.ndarray, head: int) -> np.ndarray:
        width = side.shape[1] // heads
        own = side[:, head * width : (head + 1) * width]
        powers = np.exp(own @ own.T / np.sqrt(width))
        return powers / powers.sum(1, keepdims=True)

    found = np.zeros(len(student))
    for head in range(heads):
        wanted, said = shares(teacher, head), shares(student, head)
        found += (wanted * np.log(wanted / said)).sum(1) / heads
    return found.tolist()


@pytest.mark.parametrize("heads", [1, 2])
def test_the_formula_of_the_paper_across_widths_and_rows_of_different_lengths(heads: int) -> None:
    student, teacher = random(width=4), random(width=6, seed=1)
    rows = zip(student.split([3, 1, 2]), teacher.split([3, 1, 2]), strict=True)
    words = [word for one, two in rows for word in by_formula(one.numpy(), two.numpy(), heads)]
    loss = made("attention_relations", teacher=(6,), heads=heads)
    found = loss(given(student, teacher, counts=COUNTS)).item()
    assert found == pytest.approx(np.mean(words), rel=1e-4)


def test_words_that_do_not_count_are_attended_to_by_nobody() -> None:
    student, teacher = random(), random(seed=1)
    weights = torch.tensor([1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    kept, loss = weights > 0, made("attention_relations", heads=2)
    expected = loss(given(student[kept], teacher[kept], counts=torch.tensor([2, 1, 2])))
    torch.testing.assert_close(loss(given(student, teacher, weights, COUNTS)), expected)


def test_zero_when_student_equals_teacher_whatever_its_signs() -> None:
    loss = made("attention_relations", heads=2)
    assert abs(loss(given(-random(), random(), counts=COUNTS)).item()) < 1e-7


def test_heads_that_do_not_divide_the_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="into 3 heads.*4 and 6"):
        made("attention_relations", teacher=(6,), heads=3)


def test_single_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="a row has one vector"):
        made("attention_relations", items=1, heads=1)


def test_what_does_not_count_is_ignored() -> None:
    loss = made("attention_relations", heads=2)
    assert_ignores_what_does_not_count(loss, counts=COUNTS)


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
def test_finite_at_the_edge(edge) -> None:
    assert_finite(made("attention_relations", heads=2), *edge)
