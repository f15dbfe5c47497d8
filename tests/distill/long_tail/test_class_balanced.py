"""Class-balanced weights: what each label counts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kd2edge.distill.long_tail.class_balanced import ClassBalanced
from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.loss import Given
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec


def spec(kind: str, labels: int) -> TaskSpec:
    return TaskSpec(TaskName("t"), kind, tuple("abcdefgh"[:labels]), "macro_f1")


def balanced(
    *counts: int, beta: float, kind: str = "classification", rows: int | None = None
) -> ClassBalanced:
    support = Support(counts, sum(counts) if rows is None else rows)
    return ClassBalanced(spec(kind, len(counts)), support, beta=beta)


def test_weights_are_one_over_the_effective_number_with_mean_1_over_the_items() -> None:
    counts, beta = np.array([1000.0, 50.0, 2.0]), 0.99
    raw = (1 - beta) / (1 - beta**counts)
    expected = raw / ((raw * counts).sum() / counts.sum())
    found = balanced(1000, 50, 2, beta=beta).weights(torch.tensor([0, 1, 2]))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)
    assert (found.double().numpy() * counts).sum() / counts.sum() == pytest.approx(1)


def test_beta_near_1_weighs_by_one_over_the_number() -> None:
    found = balanced(400, 40, 4, beta=1 - 1e-12).table
    torch.testing.assert_close(found / found[0], torch.tensor([1.0, 10.0, 100.0]))


@pytest.mark.parametrize(
    "tail", [balanced(7, 7, 7, beta=0.999), balanced(900, 30, 1, beta=0.0), balanced(5, beta=0.9)]
)
def test_equal_counts_and_beta_0_weigh_all_alike(tail: ClassBalanced) -> None:
    assert torch.equal(tail.table, torch.ones_like(tail.table))


def test_a_class_without_items_has_a_finite_weight_and_moves_no_other() -> None:
    with_it, without = balanced(90, 0, 3, beta=0.99).table, balanced(90, 3, beta=0.99).table
    assert torch.equal(with_it[[0, 2]], without)
    assert with_it[1] == 1
    assert torch.equal(balanced(0, 0, beta=0.99).table, torch.ones(2))


def test_labels_that_are_missing_have_a_finite_weight() -> None:
    found = balanced(9, 1, beta=0.9).weights(torch.tensor([MISSING, 1]))
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("kind", ["classification", "token_classification", "ordinal", "binary"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_each_item_counts_as_its_label_does(kind: str, smoothing: float) -> None:
    classes = 2 if kind == "binary" else 3
    tail = balanced(*(80, 15, 5)[:classes], beta=0.95, kind=kind)
    loss = HARD_LOSSES[kind](spec(kind, classes), smoothing)
    student = torch.randn(5, 1 if kind == "binary" else classes, requires_grad=True)
    labels = torch.tensor([0, 1, classes - 1, 0, MISSING])
    counted = (labels != MISSING).float()

    def alone(at: int) -> torch.Tensor:
        one = {"student_logits": student[at : at + 1], "targets": {"labels": labels[at : at + 1]}}
        return loss(Given(torch.ones(1), **one))

    given = Given(
        counted,
        student_logits=student,
        targets={"labels": labels},
        label_weights=tail.weights(labels),
    )
    found = loss(given)
    # Divided by the items that count, not by their weights.
    expected = torch.stack([tail.table[labels[at]] * alone(at) for at in range(4)]).sum() / 4
    torch.testing.assert_close(found, expected)
    found.backward()
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    assert (student.grad[4] == 0).all()
    assert (student.grad[:4] != 0).any(1).all()


def test_several_labels_a_row_each_weigh_their_own_yes_and_no() -> None:
    rows, yes, beta = 200, np.array([100.0, 4.0, 0.0]), 0.98
    tail = balanced(100, 4, 0, beta=beta, kind="multi_label", rows=rows)
    labels = torch.tensor([[0, 1, 0], [1, 0, MISSING]])
    found = tail.weights(labels)
    assert found.shape == labels.shape
    counts = np.stack([rows - yes, yes], 1)
    with np.errstate(divide="ignore"):
        raw = np.where(counts > 0, (1 - beta) / (1 - beta**counts), 0)
    table = raw / ((raw * counts).sum(1) / rows)[:, None]
    np.testing.assert_allclose(found[0].numpy(), [table[0, 0], table[1, 1], 1], rtol=1e-6)
    np.testing.assert_allclose(found[1, :2].numpy(), [table[0, 1], table[1, 0]], rtol=1e-6)
    assert torch.isfinite(found).all()
    assert tail.table[0].tolist() == [1, 1]  # as many yes as no


def test_the_loss_of_several_labels_is_the_sum_of_its_weighed_parts() -> None:
    tail = balanced(100, 4, 50, beta=0.98, kind="multi_label", rows=200)
    student = torch.randn(2, 3, requires_grad=True)
    labels = torch.tensor([[0, 1, MISSING], [1, 0, 1]])
    weights = tail.weights(labels)
    given = Given(
        torch.ones(2),
        student_logits=student,
        targets={"labels": labels},
        label_weights=weights,
    )
    found = HARD_LOSSES["multi_label"](spec("multi_label", 3), 0.0)(given)
    z, y = student.detach().double().numpy(), labels.numpy()
    each = np.log1p(np.exp(np.where(y == 1, -z, z))) * weights.double().numpy()
    each[0, 2] = 0
    assert found.item() == pytest.approx(each.sum(1).mean(), rel=1e-5)
    found.backward()
    assert student.grad is not None
    assert student.grad[0, 2] == 0


def test_a_label_that_is_rare_is_pulled_harder() -> None:
    tail, student = balanced(990, 10, beta=0.999), torch.zeros(2, 2, requires_grad=True)
    labels = torch.tensor([0, 1])
    given = Given(
        torch.ones(2),
        student_logits=student,
        targets={"labels": labels},
        label_weights=tail.weights(labels),
    )
    HARD_LOSSES["classification"](spec("classification", 2), 0.0)(given).backward()
    assert student.grad is not None
    ratio = student.grad[1, 1] / student.grad[0, 0]
    torch.testing.assert_close(ratio, tail.table[1] / tail.table[0])
    assert ratio > 10


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_logits_have_a_finite_loss_and_gradient(size: float) -> None:
    tail = balanced(10**9, 1, beta=0.99999)
    student, labels = torch.tensor([[size, -size]] * 2, requires_grad=True), torch.tensor([0, 1])
    given = Given(
        torch.ones(2),
        student_logits=student,
        targets={"labels": labels},
        label_weights=tail.weights(labels),
    )
    loss = HARD_LOSSES["classification"](spec("classification", 2), 0.1)(given)
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_it_leaves_logits_and_checkpoints_alone() -> None:
    tail, student = balanced(9, 1, beta=0.9), torch.randn(3, 2)
    assert tail.labelled(student) is student
    assert tail.taught(student) is student
    assert tail.state_dict() == {}
