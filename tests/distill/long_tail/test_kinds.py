"""Which tasks a method for long tails is for."""

from __future__ import annotations

import pytest
import torch

from kd2edge.distill import Method, Support
from kd2edge.distill.long_tail import LONG_TAILS, long_tail, require_fits
from kd2edge.errors import UsageError
from kd2edge.tasks import TASK_KINDS
from kd2edge.tasks.spec import MISSING, TaskName, TaskSpec

OPTIONS = {
    "none": {},
    "class_balanced": {"beta": 0.9},
    "logit_adjustment": {"tau": 1.0, "teacher": True},
}


def task(kind: str) -> TaskSpec:
    return TaskSpec(TaskName("t"), kind, ("a", "b"), "accuracy")


def test_methods_are_for_kinds_that_there_are() -> None:
    assert set(OPTIONS) == set(LONG_TAILS)
    for name, method in LONG_TAILS.items():
        assert method.kinds <= set(TASK_KINDS), name


@pytest.mark.parametrize("kind", TASK_KINDS)
@pytest.mark.parametrize("name", LONG_TAILS)
def test_a_method_is_made_where_it_fits_and_refused_elsewhere(name: str, kind: str) -> None:
    method = Method(name, OPTIONS[name])
    if kind in LONG_TAILS[name].kinds:
        assert isinstance(long_tail(task(kind), method, Support((9, 1), 10)), LONG_TAILS[name])
        return
    with pytest.raises(UsageError, match=f"{name} is defined for .* this one is {kind}; .*none"):
        require_fits(task(kind), method)


def test_the_message_names_what_fits() -> None:
    with pytest.raises(UsageError, match="choose one of none, class_balanced$"):
        require_fits(task("binary"), Method("logit_adjustment"))


def test_an_unknown_method_and_an_unknown_option_are_refused() -> None:
    with pytest.raises(UsageError, match="'focal' is not known; choose one of"):
        long_tail(task("binary"), Method("focal"), Support((9, 1), 10))
    with pytest.raises(UsageError, match="long tail of t: class_balanced"):
        long_tail(task("binary"), Method("class_balanced", {"tau": 1.0}), Support((9, 1), 10))


def test_none_changes_nothing() -> None:
    tail, student = long_tail(task("binary"), Method("none"), Support((9, 1), 10)), torch.ones(2, 1)
    assert tail.labelled(student) is student
    assert tail.taught(student) is student
    assert tail.weights(torch.tensor([0, MISSING])) is None
