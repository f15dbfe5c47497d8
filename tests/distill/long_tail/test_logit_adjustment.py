"""Logit adjustment: what the losses see, and what the student then says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kd2edge.distill.long_tail.logit_adjustment import LogitAdjustment
from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.loss import Given
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

THREE = TaskSpec(TaskName("t"), "classification", ("a", "b", "c"), "macro_f1")


def adjustment(*counts: int, tau: float = 1.0, teacher: bool = True) -> LogitAdjustment:
    labels = tuple("abcdefgh"[: len(counts)])
    spec = TaskSpec(TaskName("t"), "classification", labels, "macro_f1")
    return LogitAdjustment(spec, Support(counts, sum(counts)), tau=tau, teacher=teacher)


def hard(tail: LogitAdjustment, student: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """The hard loss as the objective gives it."""
    weights = (labels != MISSING).float()
    given = Given(weights, student_logits=tail.labelled(student), targets={"labels": labels})
    return HARD_LOSSES["classification"](THREE, smoothing)(given)


def test_it_is_the_loss_of_menon_and_others_written_out() -> None:
    counts, tau = np.array([90.0, 9.0, 1.0]), 0.7
    student, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 0])
    f, y = student.double().numpy(), labels.numpy()
    prior = counts / counts.sum()
    own = np.exp(f[np.arange(6), y]) * prior[y] ** tau
    expected = -np.log(own / (np.exp(f) * prior**tau).sum(1)).mean()
    found = hard(adjustment(90, 9, 1, tau=tau), student, labels)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_with_tau_1_it_is_the_balanced_softmax_of_counts() -> None:
    counts = np.array([500.0, 40.0, 3.0])
    student, labels = torch.randn(5, 3), torch.tensor([2, 1, 0, 2, 2])
    weighed = counts * np.exp(student.double().numpy())
    expected = -np.log(weighed[np.arange(5), labels.numpy()] / weighed.sum(1)).mean()
    assert hard(adjustment(500, 40, 3), student, labels).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "tail", [adjustment(7, 7, 7), adjustment(9, 3, 1, tau=0.0), adjustment(0, 0, 0)]
)
def test_equal_counts_and_tau_0_change_no_bit(tail: LogitAdjustment) -> None:
    student = torch.randn(8, 3)
    assert torch.equal(tail.labelled(student), student)
    assert torch.equal(tail.taught(student), student)


def test_it_leaves_nothing_in_a_checkpoint() -> None:
    assert adjustment(9, 1).state_dict() == {}


def test_every_label_counts_alike() -> None:
    assert adjustment(9, 1).weights(torch.tensor([0, 1, MISSING])) is None


def test_the_teacher_s_side_is_adjusted_where_it_is_asked_for() -> None:
    student = torch.randn(4, 2)
    asked, not_asked = adjustment(9, 1), adjustment(9, 1, teacher=False)
    assert torch.equal(asked.taught(student), asked.labelled(student))
    assert torch.equal(not_asked.taught(student), student)
    assert not torch.equal(not_asked.labelled(student), student)


def learned(tail: LogitAdjustment | None) -> Tensor:
    """Logits ``[x, class]`` of a student that may say anything of x = 0 and x = 1.

    100 items of class 0, of which 30 have x = 1; 10 of class 1, of which 8 have x = 1.
    """
    x = torch.tensor([0] * 70 + [1] * 30 + [0] * 2 + [1] * 8)
    labels = torch.tensor([0] * 100 + [1] * 10)
    student = torch.zeros(2, 2, requires_grad=True)
    optimizer = torch.optim.LBFGS([student], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        said = student[x] if tail is None else tail.labelled(student[x])
        loss = torch.nn.functional.cross_entropy(said, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return student.detach()


def test_what_is_learned_decides_as_the_mean_error_of_the_classes_wants() -> None:
    # p(x = 1 | class): 0.3 and 0.8.  At x = 1 class 0 has 30 of 38 items, but the less likelihood.
    assert learned(None).argmax(1).tolist() == [0, 0]
    found = learned(adjustment(100, 10))
    assert found.argmax(1).tolist() == [0, 1]
    odds = (found[:, 1] - found[:, 0]).exp()
    torch.testing.assert_close(odds, torch.tensor([0.2 / 0.7, 0.8 / 0.3]), rtol=1e-2, atol=0)


def test_a_student_that_follows_a_teacher_of_the_tail_wants_what_the_labels_want() -> None:
    teacher = learned(None)  # log p(class | x), prior included
    student = learned(adjustment(100, 10))
    said = adjustment(100, 10).taught(student).log_softmax(1)
    torch.testing.assert_close(said, teacher.log_softmax(1), rtol=0, atol=1e-2)


def test_a_class_that_training_never_shows_is_taken_for_the_most_frequent() -> None:
    found = adjustment(50, 0, 5).adjustment
    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, -np.log(10)]).float())


def test_such_a_class_is_pushed_down_by_every_item() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    hard(adjustment(50, 0, 5), student, torch.tensor([2])).backward()
    assert student.grad is not None
    assert student.grad[0, 1] == student.grad[0, 0] > 0 > student.grad[0, 2]


@pytest.mark.parametrize("size", [1e4, -1e4])
@pytest.mark.parametrize("counts", [(10**9, 1, 0), (0, 0, 1), (1, 0, 0)])
def test_extreme_logits_and_counts_have_a_finite_loss_and_gradient(
    size: float, counts: tuple[int, ...]
) -> None:
    student = torch.tensor([[size, 0.0, -size], [0.0, size, 0.0]], requires_grad=True)
    loss = hard(adjustment(*counts), student, torch.tensor([2, MISSING]), 0.1)
    loss.backward()
    assert student.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
    assert (student.grad[1] == 0).all()


def test_smoothing_is_of_the_adjusted_logits() -> None:
    student, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    log_q = (student.double().numpy() + np.log([90, 9, 1])).T
    log_q = log_q - np.log(np.exp(log_q).sum(0))
    target = np.eye(3)[labels.numpy()] * 0.8 + 0.2 / 3
    expected = -(target * log_q.T).sum(1).mean()
    found = hard(adjustment(90, 9, 1), student, labels, 0.2)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_of_a_single_class_there_is_nothing_to_adjust() -> None:
    student = torch.randn(3, 1)
    assert torch.equal(adjustment(4).labelled(student), student)
