from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.logits.cases import TASKS, TEMPERATURES, given, gradient
from distill.tiny import random_logits
from kd2edge.distill.logits.dist import DIST, within_classes, within_items

TASK = TASKS["classification"]
COUNTED = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], dtype=torch.float64)


def chances(logits: Tensor, kind: str, temperature: float) -> np.ndarray:
    raised = np.exp(logits.detach().numpy() / temperature)
    return raised / (1 + raised) if kind == "multi_label" else raised / raised.sum(1, keepdims=True)


def pearson(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of each row with each, by NumPy."""
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(one, other, strict=True)])


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("kind", ["classification", "multi_label"])
def test_is_one_minus_pearson_of_items_and_of_classes(kind: str, temperature: float) -> None:
    # Halved: chances of a class that differ by less than a ten-thousandth count for less.
    student, teacher = (random_logits(at, channels=5) / 2 for at in (0, 1))
    one, other = (chances(logits, kind, temperature) for logits in (student, teacher))
    inter, intra = (1 - pearson(one, other).mean(), 1 - pearson(one.T, other.T).mean())
    for beta, gamma in ((1.0, 0.0), (0.0, 1.0), (2.0, 3.0)):
        found = DIST(TASKS[kind], beta=beta, gamma=gamma)(
            given(TASKS[kind], student, teacher, temperature=temperature)
        )
        assert found.item() == pytest.approx(beta * inter + gamma * intra, rel=1e-3)


def test_items_that_do_not_count_are_no_part_of_a_class() -> None:
    student, teacher = (random_logits(at).softmax(-1) for at in (0, 1))
    kept = COUNTED.bool()
    torch.testing.assert_close(
        within_classes(student, teacher, COUNTED),
        within_classes(student[kept], teacher[kept], torch.ones(4, dtype=torch.float64)),
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_zero_when_student_equals_teacher(channels: int, temperature: float) -> None:
    same, task = random_logits(0, channels=channels), TASKS["multi_label"]
    found = DIST(task, beta=1.0, gamma=1.0)(given(task, same, same, temperature=temperature))
    assert found.item() == pytest.approx(0, abs=1e-9)


def test_unchanged_by_other_units_of_the_outputs() -> None:
    """A student that is half as sure in the same proportions is right."""
    teacher = random_logits(0).softmax(-1)
    student = 0.5 * teacher + 0.125
    assert within_items(student, teacher).abs().max() < 1e-5
    assert within_classes(student, teacher, COUNTED) < 1e-5


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_unchanged_by_adding_a_constant_to_logits(temperature: float) -> None:
    student, teacher = random_logits(0), random_logits(1)
    loss = DIST(TASK, beta=1.0, gamma=1.0)
    torch.testing.assert_close(
        loss(given(TASK, student + 7, teacher - 100, temperature=temperature)),
        loss(given(TASK, student, teacher, temperature=temperature)),
    )


def test_gradient_keeps_its_size_as_T_grows_without_its_square() -> None:
    student, teacher = random_logits(0).requires_grad_(), random_logits(1)
    loss = DIST(TASK, beta=1.0, gamma=1.0)
    sizes = [gradient(loss, given(TASK, student, teacher, temperature=one)).norm().item()
             for one in (1.0, 8.0, 64.0)]  # fmt: skip
    assert max(sizes) < 4 * min(sizes)


def test_one_item_has_no_relations_over_the_batch() -> None:
    student, teacher = random_logits(0, items=1).requires_grad_(), random_logits(1, items=1)
    one = given(TASK, student, teacher)
    loss = DIST(TASK, beta=0.0, gamma=1.0)
    assert loss(one).item() == pytest.approx(0, abs=1e-12)
    assert not gradient(loss, one).any()
    assert gradient(DIST(TASK, beta=1.0, gamma=0.0), one).any()


@pytest.mark.parametrize("channels", [1, 2])
def test_few_channels_have_no_relations_in_an_item(channels: int) -> None:
    student, teacher = (random_logits(at, channels=channels).requires_grad_() for at in (0, 1))
    task = TASKS["multi_label"]
    one = given(task, student, teacher.detach())
    assert DIST(task, beta=1.0, gamma=0.0)(one).item() == 0
    assert gradient(DIST(task, beta=1.0, gamma=1.0), one).any()


def test_a_class_that_nobody_ever_chooses_says_nothing() -> None:
    student, teacher = (random_logits(at).float() for at in (0, 1))
    student[:, 3] = teacher[:, 3] = -1e4
    found = within_classes(student.softmax(-1), teacher.softmax(-1), COUNTED.float())
    rest = within_classes(student[:, :3].softmax(-1), teacher[:, :3].softmax(-1), COUNTED.float())
    torch.testing.assert_close(found, 0.75 * rest)
