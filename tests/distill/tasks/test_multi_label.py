"""The hard loss of labels that stand one by one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from kd2edge.distill.logits.kl import KL, binary_kl
from kd2edge.distill.loss import Given
from kd2edge.distill.tasks.binary import binary_cross_entropy
from kd2edge.distill.tasks.multi_label import LabelCrossEntropy
from kd2edge.nets.features import Widths
from kd2edge.nets.heads.multi_label import MultiLabelHead
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

SPEC = TaskSpec(TaskName("t"), "multi_label", tuple("abcde"), "micro_f1")


def given(student: torch.Tensor, labels: torch.Tensor, **more) -> Given:
    weights = (labels != MISSING).any(1).to(student.dtype)
    return Given(weights, student_logits=student, targets={"labels": labels}, **more)


def test_it_is_the_sum_of_a_loss_of_yes_or_no_per_label() -> None:
    student, labels = torch.randn(6, 5), torch.randint(0, 2, (6, 5))
    found = LabelCrossEntropy(SPEC, 0.0)(given(student, labels))
    alone = [binary_cross_entropy(student[:, at : at + 1], labels[:, at], 0.0) for at in range(5)]
    torch.testing.assert_close(found, torch.stack(alone).sum(0).mean())


def test_labels_that_nobody_stated_teach_nothing() -> None:
    student = torch.randn(4, 5, requires_grad=True)
    labels = torch.randint(0, 2, (4, 5))
    labels[1, 2] = MISSING
    labels[3] = MISSING
    LabelCrossEntropy(SPEC, 0.0)(given(student, labels)).backward()
    assert student.grad is not None
    assert student.grad[1, 2] == 0
    assert (student.grad[3] == 0).all()
    assert (student.grad[0] != 0).all()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_smoothing_moves_every_label_towards_even_odds(smoothing: float) -> None:
    student, labels = torch.randn(3, 5), torch.randint(0, 2, (3, 5))
    target = labels * (1 - smoothing) + smoothing / 2
    expected = F.binary_cross_entropy_with_logits(student, target, reduction="none").sum(1).mean()
    torch.testing.assert_close(LabelCrossEntropy(SPEC, smoothing)(given(student, labels)), expected)


def test_a_teacher_is_learned_label_by_label() -> None:
    student, teacher = torch.randn(2, 6, 5)
    shared = {"teacher_logits": teacher, "temperature": 2.0, "activation": "sigmoid"}
    found = KL(SPEC, standardise=False)(
        given(student, torch.ones(6, 5, dtype=torch.long), **shared)
    )
    alone = [binary_kl(student[:, at : at + 1], teacher[:, at : at + 1], 2.0) for at in range(5)]
    torch.testing.assert_close(found, torch.stack(alone).sum(0).mean())


def test_a_new_head_expects_one_of_the_labels() -> None:
    head = MultiLabelHead(SPEC, Widths(8, {}), 0.0)
    assert head.linear.bias.sigmoid().tolist() == pytest.approx([1 / 6] * 5)
