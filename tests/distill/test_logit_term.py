"""Which logit loss fits which task, and what is said of one that does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distill.logits.cases import DEFAULTS, TASKS, fits
from kd2edge.distill import Method
from kd2edge.distill.logit_term import logit_loss
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.errors import UsageError
from kd2edge.tasks.spec import TaskSpec


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("name", LOGIT_LOSSES)
def test_a_loss_fits_or_the_message_names_those_that_do(name: str, task: TaskSpec) -> None:
    method = Method(name, DEFAULTS[name])
    if fits(name, task):
        assert isinstance(logit_loss(task, method, cut=False), LOGIT_LOSSES[name])
        return
    with pytest.raises(UsageError) as refused:
        logit_loss(task, method, cut=False)
    known = ", ".join(one for one in LOGIT_LOSSES if fits(one, task))
    assert str(refused.value).startswith(f"logits of t: the loss {name} ")
    assert str(refused.value).endswith(f"; choose one of {known}")


@pytest.mark.parametrize(
    ("kind", "labels", "loss", "options", "says"),
    [
        ("regression", "", "cross_entropy", {"standardise": False},
         "is defined for outputs under sigmoid and softmax, the task's have none"),
        ("binary", "ny", "kl", {"standardise": True},
         "the loss kl with standardise is defined for outputs under softmax"),
        ("classification", "ab", "kl", {"standardise": True},
         "the loss kl with standardise needs at least 3 labels, the task has 2"),
    ],
)  # fmt: skip
def test_the_message_says_what_does_not_fit(
    kind: str, labels: str, loss: str, options: dict[str, Any], says: str
) -> None:
    task = replace(TASKS[kind], labels=tuple(labels))
    with pytest.raises(UsageError, match=says):
        logit_loss(task, Method(loss, options), cut=False)


def test_a_task_without_a_loss_is_named() -> None:
    with pytest.raises(UsageError, match="logits of t: expected a loss, found none"):
        logit_loss(TASKS["binary"], None, cut=False)


@pytest.mark.parametrize(
    ("kind", "loss", "options"),
    [
        ("classification", "dist", {"beta": 1.0, "gamma": 1.0}),
        ("classification", "dist", {"beta": 1.0, "gamma": 0.0}),
        ("classification", "mse", {}),
        ("ordinal", "ranked_probability", {}),
    ],
)
def test_a_loss_that_needs_every_class_by_itself_is_told_so(
    kind: str, loss: str, options: dict[str, Any]
) -> None:
    with pytest.raises(UsageError) as refused:
        logit_loss(TASKS[kind], Method(loss, options), cut=True)
    assert f"the loss {loss} needs every class by itself" in str(refused.value)
    assert "set its top_k to null, or choose one of cross_entropy, dkd, kl," in str(refused.value)


@pytest.mark.parametrize("loss", ["cross_entropy", "dkd", "kl"])
def test_z_scores_are_of_all_classes(loss: str) -> None:
    task, plain = TASKS["classification"], Method(loss, DEFAULTS[loss])
    assert logit_loss(task, plain, cut=True)
    scored = Method(loss, {**DEFAULTS[loss], "standardise": True})
    assert logit_loss(task, scored, cut=False)
    with pytest.raises(UsageError, match=f"the loss {loss} with standardise needs every class .*"):
        logit_loss(task, scored, cut=True)
