from __future__ import annotations

import numpy as np
import pytest

from kd2edge.metrics import (
    ClassScore,
    GroupF1,
    class_groups,
    evaluate,
    group_scores,
    is_long_tailed,
    per_class,
)
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth

SPEC = TaskSpec(TaskName("t"), "classification", tuple("abcd"), "macro_f1")


def test_classes_are_grouped_by_their_training_items():
    assert class_groups([101, 100, 20, 19, 0]) == ("head", "middle", "middle", "tail", "tail")
    assert class_groups([5, 3, 1], head_above=4, tail_below=2) == ("head", "middle", "tail")


def test_a_group_is_the_mean_of_its_classes_that_occur():
    scores = [
        ClassScore("a", 1.0, 0.5, 0.6, 4),
        ClassScore("b", 0.0, 0.0, 0.2, 2),
        ClassScore("c", 0.0, 0.0, 0.0, 0),
        ClassScore("d", 1.0, 1.0, 1.0, 9),
    ]
    tail, *rest = reversed(group_scores(scores, ["tail", "tail", "tail", "head"]))
    assert (tail.group, tail.classes, tail.support, tail.f1) == ("tail", 2, 6, 0.4)
    assert [group.group for group in rest] == ["head"]


@pytest.mark.parametrize(
    ("support", "long"),
    [
        ([100, 10], True), ([100, 11], False), ([9, 0], False), ([10, 0], True), ([5, 5], False),
        ([0, 0], False), ([7], False), ([], False),
    ],
)  # fmt: skip
def test_a_tail_is_long_from_a_factor_of_ten(support: list[int], long: bool):
    assert is_long_tailed(support) == long


def rows(seed: int, each: tuple[int, ...], wrong: float) -> tuple[Truth, Decoded]:
    """So many rows of each class, a share of them decided at random."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(each)), each)
    guessed = random.integers(0, len(each), len(labels))
    decided = np.where(random.random(len(labels)) < wrong, guessed, labels)
    labels = np.append(labels, MISSING)
    decided = np.append(decided, 0)
    return Truth(labels), Decoded(decided, np.zeros(len(decided)))


def test_a_group_s_estimate_is_its_score_in_bounds():
    truth, decoded = rows(0, (300, 40, 12, 8), 0.4)
    scores = per_class(SPEC, truth, decoded)
    (tail,) = group_scores(scores[2:], ["tail", "tail"])
    found = evaluate(SPEC, truth, decoded, GroupF1([2, 3]))
    assert found.value == pytest.approx(tail.f1)
    assert 0 <= found.low < found.value < found.high <= 1


def test_of_all_classes_it_is_macro_f1():
    truth, decoded = rows(1, (60, 40, 30, 20), 0.3)
    group, macro = (evaluate(SPEC, truth, decoded, one) for one in (GroupF1(range(4)), "macro_f1"))
    assert (group.value, group.low, group.high) == (macro.value, macro.low, macro.high)


def test_a_few_rows_that_are_all_right_prove_no_more_than_so_few_rows():
    """All 8 rows of a tail among 1,000: bounds as those of 8 rows, which lie far below 1."""
    truth, decoded = rows(2, (900, 72, 20, 8), 0.0)
    few = evaluate(SPEC, truth, decoded, GroupF1([3]))
    many = evaluate(SPEC, truth, decoded, GroupF1([0]))
    assert few.value == many.value == few.high == 1
    assert few.low < 0.025 ** (1 / 8) + 0.1  # Clopper and Pearson's of 8 rows is 0.63
    assert many.low > 0.99


def test_rows_of_other_classes_that_are_taken_for_a_rare_one_lower_its_score():
    labels, decided = np.array([0] * 6 + [1] * 2), np.array([0] * 4 + [1] * 4)
    found = evaluate(SPEC, Truth(labels), Decoded(decided, np.zeros(8)), GroupF1([1]))
    assert found.value == pytest.approx(2 * 2 / (2 + 4))


def test_words_and_several_labels_a_row_have_groups_too():
    several = TaskSpec(TaskName("t"), "multi_label", tuple("ab"), "macro_f1")
    labels = np.array([[1, 0], [1, 0], [1, 1], [1, 0], [MISSING, MISSING]])
    decoded = Decoded(np.array([[1, 0], [1, 0], [1, 1], [0, 1], [1, 1]]), np.zeros((5, 2)))
    found = evaluate(several, Truth(labels), decoded, GroupF1([1]))
    assert found.value == pytest.approx(2 / 3)
    words = TaskSpec(TaskName("t"), "token_classification", tuple("ab"), "macro_f1")
    offsets = np.array([0, 2, 5])
    truth = Truth(Ragged(np.array([0, 0, 0, 1, MISSING]), offsets))
    said = Decoded(Ragged(np.array([0, 1, 0, 1, 0]), offsets), Ragged(np.zeros(5), offsets))
    assert evaluate(words, truth, said, GroupF1([1])).value == pytest.approx(2 / 3)
