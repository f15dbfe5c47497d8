from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from distill.balance.terms import ONE, TWO, Trunk
from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, TOPIC
from kd2edge.distill.balance import Shared
from kd2edge.distill.balance.tap import Tap
from kd2edge.errors import UsageError
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.tasks.spec import TaskName, TaskSpec

ADVICE = "write gradients: parameters"
WORDS, IMAGE = TOKENS.spec, IMAGES.spec
JOINT = ModelSpec(
    "joint",
    encoders={"words": TOKENS.student, "image": IMAGES.student},
    fusion={"kind": "concat", "hidden": 4},
)


def joint_net(tasks: tuple[TaskSpec, ...]) -> Net:
    return build_net(JOINT, [WORDS, IMAGE], tasks, vocabulary={"words": TOKENS.vocabulary or 0})


def arrays_of(net: Net) -> dict[str, Tensor]:
    return {
        spec.name: torch.ones(
            [2 if isinstance(size, str) else size for size in spec.shape],
            dtype=getattr(torch, spec.dtype),
        )
        for spec in net.array_specs()
    }


def tapped(net: Net, tasks: tuple[TaskSpec, ...]) -> tuple[Tensor, Mapping[str, Tensor]]:
    """The tensor that is found, and what the heads were given."""
    tap = Tap([task.name for task in tasks], ADVICE)
    with net.capture(tap.paths) as features:
        outputs = net(arrays_of(net))
    shared = Shared(net.shared_parameters, features, list)
    tap.require(shared, list(outputs.values()))
    losses = {task.name: outputs[task.name].sum() for task in tasks}
    return tap.tensor(shared, losses), features


@pytest.mark.parametrize("tasks", [(SHAPE, DARK), (DARK, SHAPE)])
def test_heads_of_rows_meet_in_the_pooled_vector(tasks: tuple[TaskSpec, ...]) -> None:
    found, given = tapped(IMAGES.net(tasks=tasks), tasks)
    assert found.dim() == 2
    assert all(found is one for one in given.values())


@pytest.mark.parametrize("tasks", [(TAG, TOPIC), (TOPIC, TAG)])
def test_beside_heads_of_words_they_meet_in_the_sequence(tasks: tuple[TaskSpec, ...]) -> None:
    found, given = tapped(TOKENS.net(tasks=tasks), tasks)
    assert found is given["heads.tag.dropout:input"]
    assert found.dim() == 3


def test_heads_of_rows_of_several_inputs_meet_behind_the_fusion() -> None:
    found, _ = tapped(joint_net((SHAPE, TOPIC)), (SHAPE, TOPIC))
    assert found.shape == (2, 4)


def test_words_of_one_input_beside_rows_of_several_are_refused() -> None:
    """The image's encoder and the fusion lie beside the sequence, not behind it."""
    with pytest.raises(UsageError, match=f"no single tensor.*{ADVICE}"):
        tapped(joint_net((TAG, TOPIC)), (TAG, TOPIC))


def test_words_of_two_inputs_are_refused() -> None:
    """They meet nowhere, like two trunks."""
    one, two = Trunk(tasks=1), Trunk(tasks=1)
    losses = {ONE: one.losses()[0], TWO: two.losses()[0]}
    given = {"heads.one.dropout:input": one.feature, "heads.two.dropout:input": two.feature}
    shared = Shared(lambda: [one.weight, two.weight], given, list)
    with pytest.raises(UsageError, match="no single tensor"):
        Tap([ONE, TWO], ADVICE).tensor(shared, losses)


def test_a_way_around_the_tensor_is_found_when_the_loss_appears() -> None:
    """A head that reads more than it was seen to would lose that part of its gradient."""
    trunk, tap = Trunk(tasks=2), Tap([ONE, TWO], ADVICE)
    first, _ = trunk.losses()
    shared = trunk.shared([ONE, TWO])
    assert tap.tensor(shared, {ONE: first}) is trunk.feature
    around = {TWO: trunk.weight.square().sum()}
    with pytest.raises(UsageError, match="no single tensor"):
        tap.tensor(shared, around)


def test_the_first_batch_may_lack_the_task_that_decides() -> None:
    tasks = (TOPIC, TAG)
    net = TOKENS.net(tasks=tasks)
    tap = Tap([task.name for task in tasks], ADVICE)
    with net.capture(tap.paths) as features:
        outputs = net(arrays_of(net))
    shared = Shared(net.shared_parameters, features, list)
    found = tap.tensor(shared, {TaskName("topic"): outputs["topic"].sum()})
    assert found.dim() == 3
