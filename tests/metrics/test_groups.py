from __future__ import annotations

from kd2edge.metrics import ClassScore, class_groups, group_scores


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
