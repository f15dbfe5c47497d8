"""What the tests of schedules share: a moment with a real cache behind it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from distill.tiny import World, taught
from kd2edge.distill import Moment, Time, knowledge_of
from kd2edge.distill.tasks.items import Items
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import cache_outputs


class Asked(NamedTuple):
    """A moment of a task, and what stands behind it: ``[item, channel]`` and ``[item, ...]``."""

    moment: Moment
    teacher: Tensor
    labels: Tensor


def at_step(step: int, steps: int) -> Moment:
    """A moment of which the step alone counts."""
    return Moment(Time(step, steps, 0), None)  # pyright: ignore[reportArgumentType]


def asked(
    world: World, task: TaskSpec, rows: object, folder: Path, *, top_k: int | None = None
) -> Asked:
    """A moment of all rows of a split, whose teacher is a random net."""
    split = world.split(folder, rows, tasks=(task,))  # pyright: ignore[reportArgumentType]
    teacher = world.net_teacher(tasks=(task,))
    cache = cache_outputs(teacher, split, folder, tasks=(task,), top_k=top_k)
    batch = split.batch(np.arange(len(split)))
    outputs = world.net(tasks=(task,)).eval()(batch.inputs)
    ((name, output),) = outputs_of(task).items()
    knowledge = knowledge_of({"t": cache})
    items = Items(task, batch, name, output, outputs[name], knowledge)
    whole = taught(knowledge, task, batch, 1.0)
    labels = batch.targets[task.name]["labels"]
    return Asked(Moment(Time(0, 10, 0), items), whole, torch.as_tensor(labels))
