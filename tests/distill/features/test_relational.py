from __future__ import annotations

from itertools import permutations

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
    slope,
)
from kd2edge.distill.features.relational import angle, distance


def huber(one: float, other: float) -> float:
    """Park et al. 2019, the loss of a relation: squared up to 1, then absolute."""
    apart = abs(one - other)
    return 0.5 * apart**2 if apart <= 1 else apart - 0.5


def distances_by_formula(student: np.ndarray, teacher: np.ndarray) -> float:
    pairs = list(permutations(range(len(student)), 2))
    sides = []
    for side in (student, teacher):
        found = [float(np.linalg.norm(side[i] - side[j])) for i, j in pairs]
        sides.append([one / np.mean(found) for one in found])
    return float(np.mean([huber(*pair) for pair in zip(*sides, strict=True)]))


def angles_by_formula(student: np.ndarray, teacher: np.ndarray) -> float:
    def cosine(side: np.ndarray, i: int, j: int, k: int) -> float:
        one, other = side[i] - side[j], side[k] - side[j]
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    triples = list(permutations(range(len(student)), 3))
    return float(np.mean([huber(cosine(student, *t), cosine(teacher, *t)) for t in triples]))


@pytest.mark.parametrize("kept", [[0, 1, 2, 3, 4, 5], [0, 2, 5]])
def test_the_formulas_of_the_paper(kept: list[int]) -> None:
    student, teacher = 9 * random(width=5).double(), random(width=3, seed=1).double()
    weights = torch.zeros(6).index_fill(0, torch.tensor(kept), 1).double()
    one, other = student[kept].numpy(), teacher[kept].numpy()
    found = distance(student, teacher, weights).item()
    assert found == pytest.approx(distances_by_formula(one, other))
    assert angle(student, teacher, weights).item() == pytest.approx(angles_by_formula(one, other))


def test_both_are_weighed() -> None:
    student, teacher = random(), random(seed=1)
    ones = torch.ones(6)
    expected = 3 * distance(student, teacher, ones) + 5 * angle(student, teacher, ones)
    found = made("relational", distance=3.0, angle=5.0)(given(student, teacher))
    torch.testing.assert_close(found, expected)
    alone = made("relational", distance=1.0, angle=0.0)(given(student, teacher))
    torch.testing.assert_close(alone, distance(student, teacher, ones))


def test_two_weights_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="both weigh 0"):
        made("relational", distance=0.0, angle=0.0)


def test_zero_for_a_student_that_is_moved_rotated_and_scaled() -> None:
    turn, _ = np.linalg.qr(random(4, 4, seed=3).numpy())
    student = 5 * random() @ torch.from_numpy(turn) + 2
    assert made("relational")(given(student, random())).item() < 1e-9


def test_two_equal_rows_are_pulled_apart_by_their_distance_to_others_alone() -> None:
    """The distance of the two has no slope; both feel the other rows alike."""
    student = random()[[0, 0, 1, 2, 3, 4]]
    teacher = random(seed=1)[[0, 0, 1, 2, 3, 4]]
    found = slope(made("relational", distance=1.0, angle=1.0), student, teacher)
    torch.testing.assert_close(found[0], found[1])
    assert found[0].any()


def test_what_does_not_count_is_ignored() -> None:
    assert_ignores_what_does_not_count(made("relational"))


@pytest.mark.parametrize("edge", [*EDGES.values(), HUGE], ids=[*EDGES, "huge"])
def test_finite_at_the_edge(edge) -> None:
    assert_finite(made("relational"), *edge)
