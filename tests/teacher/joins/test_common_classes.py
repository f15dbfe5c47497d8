from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from kd2edge.tasks.spec import Output
from kd2edge.teacher.joins import Answer, Ensemble
from kd2edge.teacher.joins.common_classes import common_classes, said_of
from kd2edge.teacher.joins.mean import Mean
from kd2edge.teacher.top_k import Top, merged, top_of
from teacher.joins.said import chances, said

CLASSES, K = 40, 5
MANY = Output(CLASSES, "softmax")


EVERY = pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0, 8.0])


def cut(logits: Tensor, k: int = K) -> Top:
    return top_of(logits, k)


def on_common_classes(answers: Sequence[Answer], temperature: float) -> tuple[Tensor, Tensor]:
    classes = common_classes(answers, CLASSES)
    return torch.stack([said_of(one, classes, CLASSES, temperature) for one in answers]), classes


def test_classes_are_the_likeliest_of_the_mean_each_once() -> None:
    """Of ghosts that are nothing, which hide no class of importance."""
    several = [said(MANY, seed, spread=9.0) for seed in range(3)]
    classes = common_classes([cut(one) for one in several], CLASSES)
    assert classes.shape == (6, K)
    mean = np.mean([chances(one, "softmax") for one in several], axis=0)
    for item, own in enumerate(classes.tolist()):
        assert len(set(own)) == K
        assert own[:2] == np.argsort(-mean[item])[:2].tolist()


@EVERY
@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_each_teachers_mass_is_all_there_and_off_by_its_ghost_at_most(
    spread: float, temperature: float
) -> None:
    several = [said(MANY, seed, spread=spread) for seed in range(2)]
    answers = [cut(one) for one in several]
    found, classes = on_common_classes(answers, temperature)
    for one, whole, answer in zip(found / temperature, several, answers, strict=True):
        alone = answer.at(temperature) / temperature
        # Logits are those of the cache, whose sum of exponentials is everybody's.
        torch.testing.assert_close(one.logsumexp(-1), alone.logsumexp(-1))
        softened = chances(whole / temperature, "softmax")
        kept = np.take_along_axis(softened, classes.numpy(), axis=1)
        wanted = np.concatenate([kept, 1 - kept.sum(1, keepdims=True)], axis=1)
        apart = chances(one, "softmax") - wanted
        assert (np.abs(apart) <= chances(alone, "softmax")[:, -1:] + 1e-6).all()


def test_what_both_kept_and_what_one_keeps_whole_is_exact() -> None:
    first, second = said(MANY, 0), said(MANY, 1)
    found, classes = on_common_classes([cut(first), second], 1.0)
    torch.testing.assert_close(found[1], merged(second, classes, 1.0))
    shared = (classes.unsqueeze(-1) == top_of(first, K).classes.unsqueeze(-2)).any(-1)
    assert shared.any()
    wanted = chances(first, "softmax")[np.arange(6)[:, None], classes]
    apart = chances(found[0], "softmax")[:, :-1] - wanted
    assert np.abs(apart[shared.numpy()]).max() < 1e-6


@EVERY
def test_a_ghost_whose_classes_are_equal_loses_nothing(temperature: float) -> None:
    """The mean is then that of all classes, put together."""
    several = [torch.zeros(1, CLASSES), torch.zeros(1, CLASSES)]
    several[0][0, 3:8] = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    several[1][0, 30:35] = torch.tensor([5.0, 4.5, 3.0, 2.0, 1.0])
    joint = Ensemble(Mean()).asked({"a": cut(several[0]), "b": cut(several[1])}, MANY, ragged=False)
    assert joint.classes is not None
    mean = np.mean([chances(one / temperature, "softmax") for one in several], axis=0)[0]
    own = mean[joint.classes[0]]
    np.testing.assert_allclose(
        chances(joint.at(temperature) / temperature, "softmax")[0], [*own, 1 - own.sum()], rtol=1e-4
    )
    assert joint.classes[0].tolist() == [3, 30, 31, 4, 5]


@EVERY
def test_one_teacher_twice_is_that_teacher_in_its_own_classes(temperature: float) -> None:
    answer = cut(said(MANY, 0))
    joint = Ensemble(Mean()).asked({"a": answer, "b": answer}, MANY, ragged=False)
    assert joint.classes is not None
    assert joint.classes.tolist() == top_of(said(MANY, 0), K).classes.tolist()
    found, alone = (one.at(temperature) / temperature for one in (joint, answer))
    torch.testing.assert_close(found.log_softmax(-1), alone.log_softmax(-1))


@EVERY
def test_of_a_teacher_kept_whole_and_one_cut_the_mean_is_that_of_numpy(temperature: float) -> None:
    """Of the classes that the cut one kept, and of all others together."""
    first, second = said(MANY, 0), said(MANY, 1)
    joint = Ensemble(Mean()).asked({"a": cut(first), "b": second}, MANY, ragged=False)
    assert joint.classes is not None
    found = chances(joint.at(temperature) / temperature, "softmax")
    wanted = np.mean([chances(one / temperature, "softmax") for one in (first, second)], axis=0)
    wanted = np.take_along_axis(wanted, joint.classes.numpy(), axis=1)
    known = (joint.classes[:, :, None] == top_of(first, K).classes[:, None]).any(-1).numpy()
    assert known.any(1).all()
    np.testing.assert_allclose(found[:, :-1][known], wanted[known], rtol=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_learned_temperature_has_finite_gradients_where_every_class_is_taken(
    temperature: float,
) -> None:
    """No class of the first teacher is left for the ghost, nor any that it did not keep."""
    few = Output(4, "softmax")
    answers = {"a": cut(said(few, 0), 2), "b": cut(said(few, 1), 3)}
    learned = torch.tensor(temperature, requires_grad=True)
    joint = Ensemble(Mean()).asked(answers, few, ragged=False)
    (found,) = torch.autograd.grad(joint.at(learned).sum(), learned)
    assert found.isfinite()


def test_caches_of_other_sizes_have_those_of_the_larger() -> None:
    found, classes = on_common_classes([cut(said(MANY, 0), 3), cut(said(MANY, 1), 7)], 1.0)
    assert found.shape == (2, 6, 8)
    assert classes.shape == (6, 7)


def test_extreme_logits_stay_finite() -> None:
    sure = torch.full((2, CLASSES), -1e4)
    sure[0, 3], sure[1, :] = 1e4, 0.0
    other = sure.roll(7, dims=1)
    answers = {"a": cut(sure), "b": cut(other)}
    answers = {
        name: Top(one.logits.half().float(), one.classes, one.tail.clamp(min=-65504).half().float())
        for name, one in answers.items()
    }
    joint = Ensemble(Mean()).asked(answers, MANY, ragged=False)
    assert joint.at(0.5).isfinite().all()
    torch.testing.assert_close(joint.at(1.0)[0].softmax(-1)[:2], torch.tensor([0.5, 0.5]))


def test_a_word_that_a_teacher_did_not_see_has_the_classes_of_the_other() -> None:
    first, second = said(MANY, 0, 3), said(MANY, 1, 3)
    first[0], first[1], second[0] = torch.nan, torch.nan, torch.nan
    answers = {"a": cut(first), "b": cut(second)}
    joint = Ensemble(Mean()).asked(answers, MANY, ragged=True)
    assert joint.classes is not None
    assert all(len(set(own)) == K for own in joint.classes.tolist())
    found = joint.at(1.0)
    assert found[0].isnan().all()
    assert joint.classes[1].tolist() == top_of(second, K).classes[1].tolist()
    torch.testing.assert_close(found[1].log_softmax(-1), answers["b"].at(1.0)[1].log_softmax(-1))
