"""What nets that learn together tell each other, held against the formula of the paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from distill.tiny import (
    DARK,
    DISTILL,
    IMAGES,
    SHAPE,
    TAG,
    TOKENS,
    TOPIC,
    TRAIN,
    World,
    image_rows,
    step_alone,
    token_rows,
)
from kd2edge.data import Batch, EncodedSplit
from kd2edge.distill import DistillSettings, LongTailSpec, Method, Mixup, Support, Time
from kd2edge.distill.balance import LossKey
from kd2edge.distill.cohort import Turns, losses_together, take_together
from kd2edge.distill.objective import Objective
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.schedules.linear import Linear
from kd2edge.distill.step import Stepper, Turn
from kd2edge.errors import DataError, UsageError
from kd2edge.nets import Net
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

CPU = torch.device("cpu")
NOW = Time(0, 10, 0)
#: Labels, and what the others say.
LEARN = replace(DISTILL, alpha=0.0, mutual=1.0)
NAMES = ("", "one", "two")


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def kl(theirs: np.ndarray, ours: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """T^2 KL(p_l || p_k), equation 4 of the paper for softened outputs ``[item]``."""
    target, output = log_softmax(theirs / temperature), log_softmax(ours / temperature)
    return temperature**2 * (np.exp(target) * (target - output)).sum(-1)


def binary_kl(theirs: np.ndarray, ours: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """The same of yes and no: a softmax over the logits 0 and that of yes."""
    both = [np.concatenate([np.zeros_like(one), one], -1) for one in (theirs, ours)]
    return kl(both[0], both[1], temperature)


def numpy(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def stepper(net: Net, distill: DistillSettings, **settings: Any) -> Stepper:
    objective = Objective(net.tasks, distill, None, 0.0)
    return Stepper(net, objective, replace(TRAIN, distill=distill, **settings), CPU, "fp32")


def cohort(
    world: World, distill: DistillSettings = LEARN, names: tuple[str, ...] = NAMES, **settings: Any
) -> dict[str, Stepper]:
    """Nets without dropout and batches in their norms; the last is of another architecture."""
    return {
        name: stepper(world.net(seed=3 + at, teacher=at == 2).eval(), distill, **settings)
        for at, name in enumerate(names)
    }


def turns(batch: Batch, lr: float = 0.1, names: tuple[str, ...] = NAMES) -> dict[str, Turn]:
    return {name: Turn(batch, {}, NOW, lr) for name in names}


@pytest.fixture
def images(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows())


@pytest.fixture
def tokens(tmp_path: Path) -> EncodedSplit:
    return TOKENS.split(tmp_path, token_rows())


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_each_learns_from_the_mean_of_all_others(images: EncodedSplit, temperature: float) -> None:
    batch = images.batch(np.array([0, 2, 5, 35, 48]))
    settings = replace(LEARN, temperature=temperature, mutual=0.75, weight=2.0)
    found = losses_together(cohort(IMAGES, settings), turns(batch))
    said = {name: one.outputs for name, one in found.answers.items()}
    for task, formula in ((SHAPE.name, kl), (DARK.name, binary_kl)):
        for name in NAMES:
            ours = numpy(said[name][task])
            others = [numpy(said[other][task]) for other in NAMES if other != name]
            expected = sum(formula(one, ours, temperature).mean() for one in others) / 2
            terms = found.terms[name]
            key = LossKey(task, "mutual")
            assert float(terms.raw[key]) == pytest.approx(expected, rel=2e-3)
            assert terms.terms[key].item() == pytest.approx(2.0 * 0.75 * expected, rel=2e-3)


def test_words_that_both_have_seen_count_each(tmp_path: Path) -> None:
    """One of the two reads fewer pieces, so that more words are cut off."""
    short = replace(TOKENS, spec=replace(TOKENS.spec, options={"max_length": 6, "casing": False}))
    rows = token_rows()
    batches = {
        name: world.split(tmp_path, rows).batch(np.arange(len(rows)))
        for name, world in (("", TOKENS), ("one", short))
    }
    nets = {"": TOKENS.net(seed=3).eval(), "one": short.net(seed=4, teacher=True).eval()}
    steppers = {name: stepper(net, LEARN) for name, net in nets.items()}
    found = losses_together(
        steppers, {name: Turn(one, {}, NOW, 0.1) for name, one in batches.items()}
    )
    index = {name: one.words["words"].index.numpy() for name, one in batches.items()}
    both = (index[""] >= 0) & (index["one"] >= 0)
    assert (index[""] >= 0).sum() > both.sum() > 0
    words = {}
    for name in batches:
        array = numpy(found.answers[name].outputs[TAG.name]).reshape(-1, 2)
        words[name] = array[index[name][both]]
    rows_said = {name: numpy(found.answers[name].outputs[TOPIC.name]) for name in batches}
    for name, other in (("", "one"), ("one", "")):
        raw = found.terms[name].raw
        expected = kl(words[other], words[name]).mean()
        assert float(raw[LossKey(TAG.name, "mutual")]) == pytest.approx(expected, rel=2e-3)
        expected = kl(rows_said[other], rows_said[name]).mean()
        assert float(raw[LossKey(TOPIC.name, "mutual")]) == pytest.approx(expected, rel=2e-3)
    assert all(float(one) < 10 for terms in found.terms.values() for one in terms.raw.values())


def told(task: TaskSpec, batch: Batch, theirs: Tensor, **settings: Any) -> Mapping[LossKey, Tensor]:
    """The terms of a net whose outputs are zeros, with one peer that says ``theirs``."""
    objective = Objective((task,), replace(LEARN, **settings), None, 0.0)
    outputs: dict[str, Tensor] = {task.name: torch.zeros_like(theirs).requires_grad_()}
    heard = objective.told({task.name: theirs}, batch)
    terms = objective.terms(outputs, {}, batch, NOW, [heard]).terms
    torch.stack(list(terms.values())).sum().backward()
    gradient = outputs[task.name].grad
    assert gradient is not None
    return {**terms, LossKey(task.name, "gradient"): gradient}


def unlabelled(task: TaskSpec, rows: int) -> Batch:
    values = task.kind == "regression"
    labels = torch.full((rows,), float("nan")) if values else torch.full((rows,), MISSING)
    return Batch(np.arange(rows), 0, {}, {task.name: {"labels": labels}}, {}, {})


VALUE = TaskSpec(TaskName("value"), "regression", (), "mae", decode={"mean": 0.0, "spread": 1.0})


def test_values_learn_half_the_squared_difference() -> None:
    theirs = torch.tensor([[1.0], [-2.0], [0.5]])
    for logits in (Method("kl", {"standardise": False}), Method("mse")):
        found = told(VALUE, unlabelled(VALUE, 3), theirs, logits=logits, temperature=3.0)
        expected = (numpy(theirs) ** 2).sum(-1).mean() / 2
        assert found[LossKey(VALUE.name, "mutual")].item() == pytest.approx(expected)


@pytest.mark.parametrize("task", [SHAPE, DARK, VALUE], ids=["classes", "binary", "values"])
@pytest.mark.parametrize("rows", [1, 4])
def test_extreme_outputs_keep_loss_and_gradient_finite(task: TaskSpec, rows: int) -> None:
    channels = {"shape": 3}.get(task.name, 1)
    logits = torch.full((rows, channels), 1e4)
    logits[:, 0] = -1e4
    assert all(one.isfinite().all() for one in told(task, unlabelled(task, rows), logits).values())


def test_the_gradient_at_temperature_1_is_the_difference_of_probabilities() -> None:
    theirs = torch.tensor([[2.0, -1.0, 0.0], [0.0, 3.0, 1.0]])
    found = told(SHAPE, unlabelled(SHAPE, 2), theirs)[LossKey(SHAPE.name, "gradient")]
    expected = (1 / 3 - np.exp(log_softmax(numpy(theirs)))) / 2
    np.testing.assert_allclose(numpy(found), expected, atol=1e-6)


def test_nothing_flows_back_into_what_others_say(images: EncodedSplit) -> None:
    steppers = cohort(IMAGES)
    found = losses_together(steppers, turns(images.batch(np.arange(6))))
    own = found.terms[""].terms[LossKey(SHAPE.name, "mutual")]
    others = [one for name in NAMES[1:] for _, one in steppers[name].named]
    flowing = torch.autograd.grad(own, others, retain_graph=True, allow_unused=True)
    assert all(one is None for one in flowing)
    mine = [one for name, one in steppers[""].named if "heads.0" in name or "shape" in name]
    assert any(one.abs().sum() > 0 for one in torch.autograd.grad(own, mine, allow_unused=True)
               if one is not None)  # fmt: skip


def test_nets_that_agree_teach_each_other_nothing(images: EncodedSplit) -> None:
    names = ("", "one")
    steppers = {name: stepper(IMAGES.net(seed=3).eval(), LEARN) for name in names}
    found = losses_together(steppers, turns(images.batch(np.arange(6)), names=names))
    for name in names:
        for task in (SHAPE.name, DARK.name):
            term = found.terms[name].terms[LossKey(task, "mutual")]
            assert abs(term.item()) < 1e-6
            gradient = torch.autograd.grad(
                term, found.answers[name].outputs[task], retain_graph=True
            )
            assert gradient[0].abs().max() < 1e-6


def test_rows_without_a_label_teach_too(images: EncodedSplit) -> None:
    batch = images.batch(np.array([35, 36, 48]))
    assert not any(batch.has_label(task).any() for task in (SHAPE.name, DARK.name))
    found = losses_together(cohort(IMAGES), turns(batch))
    for terms in found.terms.values():
        assert {key.kind for key in terms.terms} == {"mutual"}
    assert Objective(IMAGES.tasks, LEARN, None, 0.0).learns_from_all_rows
    assert not Objective(IMAGES.tasks, replace(LEARN, mutual=0.0), None, 0.0).learns_from_all_rows


def states(steppers: Mapping[str, Stepper]) -> dict[str, dict[str, Tensor]]:
    return {
        name: {key: tensor.clone() for key, tensor in one.named} for name, one in steppers.items()
    }


def test_the_order_of_the_nets_is_of_no_account(images: EncodedSplit) -> None:
    """What is heard was said before any of them changed."""
    batch, names = images.batch(np.arange(8)), ("", "one")

    def after(order: tuple[int, int]) -> list[dict[str, Tensor]]:
        nets = [IMAGES.net(seed=3).eval(), IMAGES.net(seed=4, teacher=True).eval()]
        steppers = {name: stepper(nets[at], LEARN) for name, at in zip(names, order, strict=True)}
        for _ in range(3):
            take_together(steppers, turns(batch, names=names))
        found = states(steppers)
        return [found[names[order.index(at)]] for at in (0, 1)]

    forth, back = after((0, 1)), after((1, 0))
    for one, two in zip(forth, back, strict=True):
        assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_weight_of_zero_is_no_cohort_and_one_net_is_none_either(images: EncodedSplit) -> None:
    batch, names = images.batch(np.arange(8)), ("", "one")
    silent = replace(LEARN, mutual=0.0)

    def student() -> Stepper:
        return stepper(IMAGES.net(seed=3).train(), silent)

    alone = student()
    with own_randomness(1):
        losses = step_alone(alone, batch, NOW, 0.1)
    together = {"": student(), "one": stepper(IMAGES.net(seed=4).eval(), silent)}
    with own_randomness(1):  # the other, in evaluation mode, draws nothing
        both = take_together(together, turns(batch, names=names))
    assert {key: one for key, one in both.items() if not key.peer} == losses
    assert {key.peer for key in both} == {"", "one"}
    found = states({"alone": alone, **together})
    assert all(torch.equal(one, found[""][key]) for key, one in found["alone"].items())


def test_mixed_rows_are_answered_by_all_for_the_same_mix(images: EncodedSplit) -> None:
    batch, names = images.batch(np.arange(8)), ("", "one")
    steppers = cohort(IMAGES, names=names, mixup=Mixup(1.0, "inputs"))
    found = losses_together(steppers, turns(batch, names=names))
    pairs = [found.answers[name].pairs for name in names]
    assert pairs[0] is not None
    assert pairs[1] is not None
    assert (pairs[0].share, list(pairs[0].order)) == (pairs[1].share, list(pairs[1].order))
    ours, theirs = (numpy(found.answers[name].outputs[SHAPE.name]) for name in names)
    expected = kl(theirs, ours).mean()
    raw = found.terms[""].raw[LossKey(SHAPE.name, "mutual")]
    assert float(raw) == pytest.approx(expected, rel=2e-3)


def test_a_loss_that_looks_at_labels_has_those_that_are_there(images: EncodedSplit) -> None:
    """Decoupled distillation (Zhao et al. 2022, equation 7), of a peer for the teacher."""
    dkd = Method("dkd", {"alpha": 1.0, "beta": 2.0, "standardise": False})
    settings = replace(LEARN, logits={SHAPE.name: dkd, DARK.name: DISTILL.logits})
    batch, names = images.batch(np.arange(6)), ("", "one")
    found = losses_together(cohort(IMAGES, settings, names), turns(batch, names=names))
    ours, theirs = (
        np.exp(log_softmax(numpy(found.answers[name].outputs[SHAPE.name]))) for name in names
    )
    values: list[float] = []
    for p, q, label in zip(theirs, ours, batch.targets[SHAPE.name]["labels"].tolist(), strict=True):
        rest = [at for at in range(3) if at != label]
        two = [(p[label], q[label]), (1 - p[label], 1 - q[label])]
        among = [(p[at] / (1 - p[label]), q[at] / (1 - q[label])) for at in rest]
        parts = (sum(a * np.log(a / b) for a, b in several) for several in (two, among))
        right, others = parts
        values.append(right + 2.0 * others)
    raw = found.terms[""].raw[LossKey(SHAPE.name, "mutual")]
    assert float(raw) == pytest.approx(np.mean(values), rel=1e-3)


def test_a_long_tail_adds_nothing_to_what_is_compared(images: EncodedSplit) -> None:
    tail = LongTailSpec(
        Method("logit_adjustment", {"tau": 1.0, "teacher": True}), Support((20, 9, 1), 30)
    )
    settings = replace(LEARN, long_tail={SHAPE.name: tail})
    batch, names = images.batch(np.arange(6)), ("", "one")
    plain, adjusted = (
        losses_together(cohort(IMAGES, one, names), turns(batch, names=names)).terms[""].raw
        for one in (LEARN, settings)
    )
    mutual, task = LossKey(SHAPE.name, "mutual"), LossKey(SHAPE.name, "task")
    assert float(plain[mutual]) == float(adjusted[mutual])
    assert float(plain[task]) != float(adjusted[task])


def test_a_temperature_that_changes_is_that_of_the_step_and_is_noted(images: EncodedSplit) -> None:
    falling = Linear(4.0, 1.0)
    settings = replace(LEARN, temperature=falling)
    batch, names = images.batch(np.arange(6)), ("", "one")
    late: Turns = {name: Turn(batch, {}, Time(9, 10, 0), 0.1) for name in names}
    found = losses_together(cohort(IMAGES, settings, names), late)
    ours, theirs = (numpy(found.answers[name].outputs[SHAPE.name]) for name in names)
    raw = found.terms[""].raw
    assert float(raw[LossKey(SHAPE.name, "temperature")]) == 1.0
    expected = kl(theirs, ours).mean()
    assert float(raw[LossKey(SHAPE.name, "mutual")]) == pytest.approx(expected, rel=2e-3)


def test_nets_that_see_other_items_are_refused(tokens: EncodedSplit, tmp_path: Path) -> None:
    other = TOKENS.split(tmp_path, token_rows(seed=9)).batch(np.arange(6))
    both = {"": tokens.batch(np.arange(6)), "one": other}
    steppers = cohort(TOKENS, names=("", "one"))
    with pytest.raises(DataError, match="tag: .* do not see the same items .* of row 0: .* and"):
        losses_together(steppers, {name: Turn(one, {}, NOW, 0.1) for name, one in both.items()})


def test_a_loss_that_does_not_fit_a_task_is_refused_without_any_teacher() -> None:
    settings = replace(LEARN, logits=Method("dist", {"beta": 1.0, "gamma": 1.0}))
    with pytest.raises(UsageError, match="logits of value: the loss dist is defined for outputs"):
        Objective((VALUE,), settings, None, 0.0)
    Objective((VALUE,), replace(settings, mutual=0.0), None, 0.0)  # nobody compares anything
