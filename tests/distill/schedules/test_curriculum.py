from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from distill.logits.cases import TASKS
from distill.tiny import (
    DARK,
    DISTILL,
    IMAGES,
    SHAPE,
    TRAIN,
    image_rows,
    random_logits,
    step_alone,
    taught,
)
from kd2edge.data import EncodedSplit
from kd2edge.distill import Knowledge, Method, Moment, Time, knowledge_of
from kd2edge.distill.balance import LossKey
from kd2edge.distill.logits.kl import kl
from kd2edge.distill.objective import Objective
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.schedules.curriculum import Curriculum, reversed_gradient
from kd2edge.distill.step import Stepper, Turn
from kd2edge.errors import UsageError
from kd2edge.teacher import cache_outputs
from kd2edge.teacher.joins.mixture import mixture

#: The range of the authors' code: 1 + 20 sigmoid(t).
PAPER = Curriculum(4.0, 1.0, 21.0, 1.0, 0.5)
SETTINGS = replace(DISTILL, temperature={SHAPE.name: PAPER, DARK.name: 2.0})


def at(schedule: Curriculum, learned: Tensor) -> Tensor:
    return schedule.at(Moment(Time(0, 1, 0), None, learned))  # pyright: ignore[reportArgumentType]


def paces(schedule: Curriculum, steps: int) -> list[float]:
    return [schedule.pace(Time(step, steps, 0)) for step in range(steps)]


def softened(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """T^2 KL(teacher || student), the mean over items."""
    ours, theirs = (log_softmax(one / temperature, axis=-1) for one in (student, teacher))
    return float(temperature**2 * (np.exp(theirs) * (theirs - ours)).sum(-1).mean())


@pytest.mark.parametrize(("first", "low", "high"), [(4.0, 1.0, 21.0), (1.5, 1.0, 2.0)])
def test_it_begins_where_the_recipe_says(first: float, low: float, high: float) -> None:
    schedule = Curriculum(first, low, high, 1.0, 0.5)
    begin = schedule.begin()
    assert begin == pytest.approx(-math.log((high - low) / (first - low) - 1))
    assert at(schedule, torch.tensor(begin)).item() == pytest.approx(first)


def test_it_is_the_authors_sigmoid_of_what_is_learned() -> None:
    for learned in (-2.0, 0.0, 1.0):
        expected = 1 + 20 / (1 + math.exp(-learned))
        assert at(PAPER, torch.tensor(learned)).item() == pytest.approx(expected)


@pytest.mark.parametrize("learned", [-1e4, -30.0, 30.0, 1e4])
def test_it_stays_in_its_range_with_a_finite_gradient(learned: float) -> None:
    given = torch.tensor(learned, requires_grad=True)
    found = at(PAPER, given)
    assert 1 <= found.item() <= 21
    found.backward()
    assert given.grad is not None
    assert given.grad.isfinite()


def test_the_strength_rises_along_half_a_cosine_and_stays() -> None:
    """1/2 (1 + cos((1 + min(n, loops) / loops) pi)) of the paper."""
    found = paces(Curriculum(4.0, 1.0, 21.0, 3.0, 0.4), 11)
    parts = np.minimum(np.arange(11) / 10, 0.4) / 0.4
    np.testing.assert_allclose(found, 3 * (1 + np.cos((1 + parts) * np.pi)) / 2, atol=1e-15)
    assert found[0] == 0
    assert found[4:] == [3.0] * 7


def test_a_strength_that_does_not_rise_is_there_at_once() -> None:
    assert paces(Curriculum(4.0, 1.0, 21.0, 2.0, 0.0), 3) == [2.0] * 3
    assert paces(PAPER, 1) == [0.0]


def test_values_are_the_same_to_the_bit_and_gradients_are_turned() -> None:
    values = (1e4 * torch.randn(100, generator=torch.Generator().manual_seed(0))).requires_grad_()
    found = reversed_gradient(values)
    assert torch.equal(found, values)
    found.backward(torch.arange(100.0))
    assert torch.equal(values.grad, -torch.arange(100.0))  # pyright: ignore[reportArgumentType]


def test_the_gradient_is_minus_that_of_the_softened_divergence() -> None:
    """Of both the student's and the teacher's softening, as in the authors' code."""
    student, teacher = random_logits(0, items=8, channels=5), random_logits(1, items=8, channels=5)
    learned = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    kl(student, teacher, at(PAPER, learned)).mean().backward()

    def loss(value: float) -> float:
        return softened(student.numpy(), teacher.numpy(), 1 + 20 / (1 + math.exp(-value)))

    slope = (loss(0.3 + 1e-5) - loss(0.3 - 1e-5)) / 2e-5
    assert abs(slope) > 1e-2
    assert learned.grad is not None
    assert learned.grad.item() == pytest.approx(-slope, rel=1e-6)


@pytest.fixture
def split(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows())


@pytest.fixture
def knowledge(split: EncodedSplit, tmp_path: Path) -> Iterator[Knowledge]:
    with own_randomness(3):
        yield knowledge_of(
            {"t": cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks)}
        )


def test_the_loss_of_a_batch_is_that_of_the_learned_temperature(
    split: EncodedSplit, knowledge: Knowledge
) -> None:
    objective = Objective(IMAGES.tasks, SETTINGS, knowledge, 0.0)
    with torch.no_grad():
        objective.learned["0"].fill_(0.7)
    temperature = 1 + 20 / (1 + math.exp(-0.7))
    batch = split.batch(np.arange(8))
    outputs = IMAGES.net().eval()(batch.inputs)
    raw = objective.terms(outputs, {}, batch, Time(0, 2, 0)).raw
    theirs = taught(knowledge, SHAPE, batch, 1.0).numpy()
    expected = softened(outputs[SHAPE.name].detach().numpy(), theirs, temperature)
    assert float(raw[LossKey(SHAPE.name, "kd")]) == pytest.approx(expected, rel=1e-3)
    assert float(raw[LossKey(SHAPE.name, "temperature")]) == pytest.approx(temperature)


def test_it_is_learned_where_somebody_teaches_and_nowhere_else(knowledge: Knowledge) -> None:
    settings = replace(DISTILL, temperature=PAPER)
    assert list(Objective(IMAGES.tasks, settings, knowledge, 0.0).learned) == ["0", "1"]
    assert not Objective(IMAGES.tasks, settings, None, 0.0).learned
    silent = replace(settings, alpha={SHAPE.name: 0.0, DARK.name: 0.5})
    objective = Objective(IMAGES.tasks, silent, knowledge, 0.0)
    assert list(objective.learned) == ["1"]
    assert list(objective.state_dict()) == ["learned.1"]
    assert objective.paced == tuple(objective.paces(Time(0, 2, 0))) == ("learned.1",)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_a_step_raises_the_loss_by_its_rate_times_the_strength(
    split: EncodedSplit, knowledge: Knowledge, clip_norm: float | None
) -> None:
    """AdamW's first step is the rate, up the loss; where the strength is 0 there is none."""
    settings = replace(TRAIN, distill=SETTINGS, clip_norm=clip_norm)
    for step, strength in ((0, 0.0), (25, 0.5), (100, 1.0)):
        net = IMAGES.net().train()
        objective = Objective(IMAGES.tasks, SETTINGS, knowledge, 0.0)
        stepper = Stepper(net, objective, settings, torch.device("cpu"), "fp32")
        batch, time = split.batch(np.arange(8)), Time(step, 101, 0)
        before = objective.learned["0"].item()
        with own_randomness(1):
            loss = stepper.losses(Turn(batch, {}, time, 0.01)).terms[LossKey(SHAPE.name, "kd")]
        (slope,) = torch.autograd.grad(loss, objective.learned["0"])
        with own_randomness(1):
            step_alone(stepper, batch, time, 0.01)
        moved = objective.learned["0"].item() - before
        # The gradient is reversed already: against it is up the loss.
        assert moved == pytest.approx(-0.01 * strength * math.copysign(1, slope.item()), rel=1e-3)


def test_it_does_not_shorten_the_student_s_gradient(
    split: EncodedSplit, knowledge: Knowledge
) -> None:
    """A net is the same after a step whether its temperature stands still or learns."""
    nets = []
    for temperature in (PAPER, 4.0):
        distill = replace(DISTILL, temperature=temperature)
        net = IMAGES.net().train()
        objective = Objective(IMAGES.tasks, distill, knowledge, 0.0)
        settings = replace(TRAIN, distill=distill, clip_norm=1e-3)
        stepper = Stepper(net, objective, settings, torch.device("cpu"), "fp32")
        with own_randomness(1):
            for at_row in (0, 8):
                step_alone(stepper, split.batch(np.arange(at_row, at_row + 8)), Time(0, 9, 0), 0.01)
        nets.append(net.state_dict())
    for name, one in nets[0].items():
        torch.testing.assert_close(one, nets[1][name], rtol=1e-3, atol=1e-4)


def test_a_loss_without_a_temperature_is_refused(knowledge: Knowledge) -> None:
    settings = replace(SETTINGS, logits={SHAPE.name: Method("mse"), DARK.name: DISTILL.logits})
    with pytest.raises(UsageError, match=r"temperature of shape: curriculum .*\(cross_entropy, di"):
        Objective(IMAGES.tasks, settings, knowledge, 0.0)
    Objective(IMAGES.tasks, settings, None, 0.0)


def test_values_are_refused() -> None:
    for kind, task in TASKS.items():
        if kind != "regression":
            PAPER.require_fits(task)
    with pytest.raises(UsageError, match="temperature of t: values are not softened"):
        PAPER.require_fits(TASKS["regression"])


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_mean_of_teachers_has_a_finite_gradient_where_nobody_saw_an_item(activation: str) -> None:
    logits = torch.stack([random_logits(seed, items=3, channels=4) for seed in (0, 1)])
    shares = torch.tensor([[0.5, 0.0, 1.0], [0.5, 0.0, 0.0]], dtype=torch.float64)
    temperature = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    found = mixture(logits, shares, temperature, activation)  # pyright: ignore[reportArgumentType]
    assert found.isnan().all(-1).tolist() == [False, True, False]
    found[[0, 2]].sum().backward()
    assert temperature.grad is not None
    assert temperature.grad.isfinite()
