"""A student that starts as another one was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net
from kd2edge.nets.heads.scope import Scope
from kd2edge.student import whole_net
from kd2edge.tasks.reject import by_prototypes
from kd2edge.tasks.spec import TaskName, TaskSpec
from nets.test_joint import joint
from nets.tiny import IMAGE, LARGER, LEFT, MODELS, make_net


def _images(seed: int, tasks: Sequence[TaskSpec], model: str = "cnn") -> Net:
    return build_net(MODELS[model], [IMAGE], tasks, seed=seed).eval()


def _same(one: Net, other: Net, part: str) -> set[bool]:
    """Whether each tensor of a part is the same in two nets."""
    theirs = other.state_dict()
    return {
        torch.equal(value, theirs[name])
        for name, value in one.state_dict().items()
        if name.startswith(part) and value.dtype.is_floating_point and value.numel() > 1
    }


@pytest.mark.parametrize("model", ["bert", "cnn", "conv", "static"])
def test_it_answers_as_the_other_did(model: str) -> None:
    student, other = make_net(model, 1), make_net(model, 2)
    with torch.no_grad():
        for value in other.state_dict().values():
            if value.dtype.is_floating_point:
                value += 0.1  # statistics of batch norms start the same in both
    whole_net(student, other, heads=True)
    assert _same(student, other, "") == {True}
    arrays = student.ones(2, 5)
    with torch.no_grad():
        one, wanted = student(arrays), other(arrays)
    assert all(torch.equal(one[name], value) for name, value in wanted.items())


def test_prototypes_stay_with_the_net_that_they_are_of() -> None:
    asking = replace(LEFT, decode={"reject": 0, "least_probability": 0.0, "prototypes_asked": 2})
    student, other = _images(1, [asking]), _images(2, [asking])
    other.decide([by_prototypes(asking, 3)], {LEFT.name: Scope(6, 3)})
    whole_net(student, other, heads=True)
    assert student.tasks == (asking,)
    assert _same(student, other, "") == {True}


def test_a_copy_is_a_copy() -> None:
    student, other = make_net("cnn", 1), make_net("cnn", 2)
    before = {name: one.clone() for name, one in other.state_dict().items()}
    whole_net(student, other, heads=True)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(1.0)
    assert all(torch.equal(one, before[name]) for name, one in other.state_dict().items())


def test_heads_are_taken_by_name_kind_and_labels() -> None:
    others = replace(LARGER, labels=("never", "ever")), replace(LEFT, name=TaskName("right"))
    student, other = _images(1, [LEFT, *others]), _images(2, [LARGER, LEFT])
    fresh = _images(1, [LEFT, *others])
    mapped = whole_net(student, other, heads=True)
    assert mapped.parts == ("trunk", "heads.left")
    assert _same(student, other, "backbone.stages.0.0") == {True}
    assert _same(student, other, "heads.left") == {True}
    assert _same(student, fresh, "heads.larger") == {True}
    assert _same(student, fresh, "heads.right") == {True}


def test_heads_may_stay_fresh() -> None:
    student, other, fresh = (_images(seed, [LEFT]) for seed in (1, 2, 1))
    assert whole_net(student, other, heads=False).parts == ("trunk",)
    assert _same(student, fresh, "heads.") == {True}
    assert _same(student, other, "backbone.stages.0.0") == {True}


def test_encoders_and_their_fusion_come_together() -> None:
    student, other = joint({"kind": "concat", "hidden": 5}), joint({"kind": "concat", "hidden": 5})
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.5)
    whole_net(student, other, heads=True)
    assert _same(student, other, "") == {True}


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"channels": [4, 6], "pool": [1, 2]},
         r"backbone.stages.1.0.weight is \[6, 4, 3, 3\] in the student of that run and "),
        ({"channels": [4, 6], "pool": [1, 2]},
         r" \[8, 4, 3, 3\] in this one, and so are \d+ more tensors; give both the same"),
        ({"channels": [4, 8], "pool": [1, 2], "hidden": 6}, "the nets differ in their shapes: "),
        ({"channels": [4], "pool": [1, 2]}, "is not there in the student of that run"),
    ],
)  # fmt: skip
def test_other_shapes_are_refused_and_nothing_moves(config: dict[str, object], says: str) -> None:
    student = _images(1, [LEFT])
    model = replace(MODELS["cnn"], config=config)
    other = build_net(model, [IMAGE], [LEFT], seed=2)
    before = {name: one.clone() for name, one in student.state_dict().items()}
    with pytest.raises(UsageError, match=says):
        whole_net(student, other, heads=True)
    assert all(torch.equal(one, before[name]) for name, one in student.state_dict().items())
