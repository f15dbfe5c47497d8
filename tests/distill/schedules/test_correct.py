from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from distill.schedules.moments import asked
from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, image_rows, token_rows
from kd2edge.distill.schedules.correct import Correct, right_of_one, share_right_of_yes_and_no
from kd2edge.tasks.spec import MISSING

MANY = replace(SHAPE, labels=(*SHAPE.labels, *(f"more {at}" for at in range(300))))


def test_the_likeliest_class_is_right_or_wrong() -> None:
    logits = torch.tensor([[1e4, 0.0, -1e4], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]])
    found = right_of_one(logits, torch.tensor([0, 2, MISSING]), cut=False)
    assert found.tolist() == [1, 0, 1]


def test_all_other_classes_together_are_never_the_likeliest() -> None:
    logits = torch.tensor([[1.0, 0.0, 5.0], [1.0, 0.0, 5.0]])
    assert right_of_one(logits, torch.tensor([0, 2]), cut=True).tolist() == [1, 0]


def test_of_several_labels_the_share_of_those_stated_counts() -> None:
    logits = torch.tensor([[3.0, -2.0, 1.0, -1e4]]).expand(4, -1)
    labels = torch.tensor([[1, 0, 1, 0], [1, 0, 0, 0], [0, MISSING, MISSING, 0], [MISSING] * 4])
    assert share_right_of_yes_and_no(logits, labels).tolist() == [1, 0.75, 0.5, 1]


def test_yes_or_no_is_right_or_wrong() -> None:
    logits, labels = torch.tensor([[3.0], [3.0], [-3.0], [1.0]]), torch.tensor([1, 0, 1, MISSING])
    assert share_right_of_yes_and_no(logits, labels).tolist() == [1, 0, 0, 1]


def test_alpha_is_high_where_the_teacher_is_right_or_nobody_knows(tmp_path: Path) -> None:
    for task in (SHAPE, DARK):
        moment, teacher, labels = asked(IMAGES, task, image_rows(), tmp_path / task.name)
        decided = teacher.argmax(-1) if task is SHAPE else (teacher[:, 0] >= 0).long()
        high = (decided == labels) | (labels == MISSING)
        assert 0 < (high & (labels != MISSING)).sum() < (labels != MISSING).sum()
        found = Correct(0.125, 0.75).at(moment)
        assert torch.equal(found, torch.where(high, 0.75, 0.125))


def test_a_word_that_was_cut_off_has_the_low_one(tmp_path: Path) -> None:
    moment, *_ = asked(TOKENS, TAG, token_rows(), tmp_path)
    said = moment.teacher()
    assert said is not None
    assert (Correct(0.125, 1.0).at(moment)[~said.seen] == 0.125).all()


def test_a_cache_of_the_likeliest_classes_tells_the_same(tmp_path: Path) -> None:
    cut, *_ = asked(IMAGES, MANY, image_rows(), tmp_path / "cut", top_k=4)
    whole, teacher, labels = asked(IMAGES, MANY, image_rows(), tmp_path / "whole")
    assert (teacher.argmax(-1) != labels)[labels != MISSING].any()
    assert torch.equal(Correct(0.0, 1.0).at(cut), Correct(0.0, 1.0).at(whole))
