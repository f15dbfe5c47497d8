from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import TASKS, TEMPERATURES, given, gradient
from distill.tiny import random_logits
from kd2edge.distill.logits.dkd import DKD, decoupled
from kd2edge.distill.logits.kl import kl
from kd2edge.tasks.spec import MISSING

TASK = TASKS["classification"]
LABELS = torch.tensor([0, 3, 1, 2, 2, 0])


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits)
    return raised / raised.sum()


def divergence(wanted: np.ndarray, found: np.ndarray) -> float:
    return float((wanted * np.log(wanted / found)).sum())


def paper(student: Tensor, teacher: Tensor, label: int, temperature: float) -> tuple[float, float]:
    """TCKD and NCKD of one item as the paper defines them, times T^2."""
    binary, hats = [], []
    for logits in (teacher, student):
        chances = softmax(logits.numpy() / temperature)
        others = np.delete(chances, label)
        binary.append(np.array([chances[label], others.sum()]))
        hats.append(others / others.sum())
    return divergence(*binary) * temperature**2, divergence(*hats) * temperature**2


def loss(alpha: float, beta: float) -> DKD:
    return DKD(TASK, alpha=alpha, beta=beta, standardise=False)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_the_two_parts_are_those_of_the_paper(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    right, others = decoupled(student, teacher, LABELS, temperature)
    for at, label in enumerate(LABELS.tolist()):
        expected = paper(student[at], teacher[at], label, temperature)
        assert (right[at].item(), others[at].item()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_weighed_by_what_the_teacher_leaves_they_are_the_divergence(temperature: float) -> None:
    """The paper's identity, whichever class is taken for the right one."""
    student, teacher = random_logits(0), random_logits(1)
    right, others = decoupled(student, teacher, LABELS, temperature)
    sure = (teacher / temperature).softmax(-1).gather(1, LABELS[:, None])[:, 0]
    torch.testing.assert_close(right + (1 - sure) * others, kl(student, teacher, temperature))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (1.0, 0.0), (0.0, 2.0)])
def test_alpha_is_of_the_right_class_and_beta_of_the_others(alpha: float, beta: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    right, others = decoupled(student, teacher, LABELS, 2.0)
    found = loss(alpha, beta)(
        given(TASK, student, teacher, temperature=2.0, targets={"labels": LABELS})
    )
    torch.testing.assert_close(found, (alpha * right + beta * others).mean())


def test_an_item_without_a_label_has_the_teachers_choice() -> None:
    student, teacher = random_logits(0), random_logits(1)
    none = {"labels": torch.full_like(LABELS, MISSING)}
    first = {"labels": teacher.argmax(1)}
    one, other = (
        loss(1.0, 8.0)(given(TASK, student, teacher, targets=targets)) for targets in (none, first)
    )
    assert torch.equal(one, other)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_zero_when_student_equals_teacher(temperature: float) -> None:
    same = random_logits(0)
    for part in decoupled(same, same, LABELS, temperature):
        torch.testing.assert_close(part, torch.zeros_like(part))


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_unchanged_by_adding_a_constant_to_logits(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    for one, other in zip(
        decoupled(student + 7, teacher - 100, LABELS, temperature),
        decoupled(student, teacher, LABELS, temperature),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


def test_gradient_keeps_its_size_as_T_grows() -> None:
    student, teacher = random_logits(0).requires_grad_(), random_logits(1)
    at = [gradient(loss(1.0, 8.0), given(TASK, student, teacher, temperature=one)).norm().item()
          for one in (100.0, 1000.0)]  # fmt: skip
    assert at[0] == pytest.approx(at[1], rel=0.05)
    assert at[0] > 0.1


def test_a_sure_teacher_still_teaches_how_the_others_relate() -> None:
    """What the divergence does not: it multiplies that by what the teacher leaves."""
    student = torch.tensor([[20.0, 0.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[20.0, 3.0, 0.0, -3.0]], dtype=torch.float64)
    one = given(TASK, student, teacher, targets={"labels": torch.tensor([0])})
    plain = torch.autograd.grad(kl(student, teacher, 1.0).sum(), student)[0]
    assert gradient(loss(1.0, 1.0), one).norm() > 1e5 * plain.norm()


def test_the_ghost_is_nobodys_first_choice() -> None:
    """Of an unsure teacher all other classes together are likelier than any."""
    student, teacher = random_logits(0), random_logits(1)
    teacher[:, -1] = 30.0
    none = {"labels": torch.full_like(LABELS, MISSING)}
    first = {"labels": teacher[:, :-1].argmax(1)}
    one, other = (
        loss(1.0, 8.0)(replace(given(TASK, student, teacher, targets=targets), cut=True))
        for targets in (none, first)
    )
    assert torch.equal(one, other)
