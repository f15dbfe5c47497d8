"""What a net says of a split, and how good that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from kd2edge.data.batch import Batch, at_words
from kd2edge.data.device import device_of, full_fp32
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.precision import autocast
from kd2edge.events import OnProgress, Progress, ignore
from kd2edge.metrics.fitting import fitted_task, is_fitted, leading_value
from kd2edge.metrics.kinds import goodness
from kd2edge.ragged import Column, Ragged, concatenated, taken
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import arrays_of, logits_of
from kd2edge.tasks.spec import Logits, Output, TaskName, TaskSpec


def predict_split(
    net: nn.Module,
    split: EncodedSplit,
    tasks: Sequence[TaskSpec],
    *,
    batch_size: int = 64,
    device: str = "auto",
    precision: str = "fp32",
    on_event: OnProgress = ignore,
) -> dict[str, Column]:
    """Array -> logits of every row, fp32: ``[row, ..., channel]``, or ragged ``[word, channel]``.

    Those of a word that was cut off are NaN.  The net is in evaluation mode meanwhile, and stays on
    ``device``.

    Args:
        net: takes the arrays of the split's inputs.
        split: the rows, in view 0.
        tasks: which outputs are kept.
        batch_size: rows a forward pass.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: ``fp32`` (what reports and parity need) or ``bf16``.
        on_event: told about progress.
    """
    order = np.argsort(split.lengths, kind="stable").astype(np.int64)
    place = device_of(device)
    was_training = net.training
    net.to(place).eval()
    arrays = arrays_of(tasks)
    said: dict[str, list[Column]] = {name: [] for name in arrays}
    for begin in range(0, len(order), batch_size):
        batch = split.batch(order[begin : begin + batch_size])
        for name, column in _answers(net, batch.to(place), arrays, precision).items():
            said[name].append(column)
        on_event(Progress("predict", begin + len(batch), len(split)))
    net.train(was_training)
    back = np.argsort(order, kind="stable").astype(np.int64)
    return {name: taken(concatenated(columns), back) for name, columns in said.items()}


def metric_values(
    tasks: Sequence[TaskSpec], split: EncodedSplit, logits: Mapping[str, Column]
) -> dict[TaskName, float]:
    """The leading metric of every task that has labels in the split."""
    return {
        task.name: _metric_value(task, split, logits_of(task, logits))
        for task in tasks
        if task.name in split.tasks and split.labelled([task.name]).any()
    }


def fitted_tasks(
    tasks: Sequence[TaskSpec], split: EncodedSplit, logits: Mapping[str, Column]
) -> tuple[TaskSpec, ...]:
    """The tasks with what of their decisions is fitted to a split, see :func:`fitted_task`.

    Args:
        tasks: those that are answered.
        split: rows that were not learned from.
        logits: array -> what a model says of them; may lack those of tasks with nothing to fit.
    """
    return tuple(
        fitted_task(task, split.truth(task.name), logits_of(task, logits))
        if is_fitted(task) and task.name in split.tasks
        else task
        for task in tasks
    )


def mean_goodness(tasks: Sequence[TaskSpec], values: Mapping[TaskName, float]) -> float:
    """One number for the leading metrics of all tasks, higher is better; -inf without any."""
    found = [
        goodness(task, task.metric, values[task.name]) for task in tasks if task.name in values
    ]
    return sum(found) / len(found) if found else -math.inf


def _answers(
    net: nn.Module, batch: Batch, arrays: Mapping[str, tuple[TaskSpec, Output]], precision: str
) -> dict[str, Column]:
    device = next(iter(batch.inputs.values())).device
    with torch.inference_mode(), full_fp32(device), autocast(precision, device):
        outputs = net(batch.inputs)
    answers: dict[str, Column] = {}
    for name, (task, output) in arrays.items():
        words = batch.words_in(task, output, outputs[name])
        values = at_words(outputs[name].float(), words).cpu().numpy()
        answers[name] = values if words is None else Ragged(values, words.offsets)
    return answers


def _metric_value(task: TaskSpec, split: EncodedSplit, logits: Logits) -> float:
    kind, truth = task_kind(task.kind), split.truth(task.name)
    # As the net would ship: what is fitted to these rows in the end is fitted to every epoch's.
    task = fitted_task(task, truth, logits)
    return leading_value(task, truth, kind.decode(task, logits))
