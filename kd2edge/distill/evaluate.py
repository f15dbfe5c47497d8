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
from kd2edge.metrics.kinds import goodness, metric
from kd2edge.metrics.metric import Metric
from kd2edge.ragged import Column, Ragged, concatenated, taken
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskName, TaskSpec


def predict_split(
    net: nn.Module,
    split: EncodedSplit,
    tasks: Sequence[TaskSpec],
    *,
    batch_size: int = 64,
    device: str = "auto",
    precision: str = "fp32",
    on_event: OnProgress = ignore,
) -> dict[TaskName, Column]:
    """Logits of every row, fp32: ``[row, channel]``, or ragged ``[word, channel]`` (NaN: cut off).

    The net is in evaluation mode meanwhile, and stays on ``device``.

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
    said: dict[TaskName, list[Column]] = {task.name: [] for task in tasks}
    for begin in range(0, len(order), batch_size):
        batch = split.batch(order[begin : begin + batch_size])
        for task, column in _answers(net, batch.to(place), tasks, precision).items():
            said[task].append(column)
        on_event(Progress("predict", begin + len(batch), len(split)))
    net.train(was_training)
    back = np.argsort(order, kind="stable").astype(np.int64)
    return {task: taken(concatenated(columns), back) for task, columns in said.items()}


def metric_values(
    tasks: Sequence[TaskSpec], split: EncodedSplit, logits: Mapping[TaskName, Column]
) -> dict[TaskName, float]:
    """The leading metric of every task that has labels in the split."""
    return {
        task.name: _metric_value(task, split, logits[task.name])
        for task in tasks
        if task.name in split.tasks and split.labelled([task.name]).any()
    }


def mean_goodness(tasks: Sequence[TaskSpec], values: Mapping[TaskName, float]) -> float:
    """One number for the leading metrics of all tasks, higher is better; -inf without any."""
    found = [
        goodness(task, task.metric, values[task.name]) for task in tasks if task.name in values
    ]
    return sum(found) / len(found) if found else -math.inf


def _answers(
    net: nn.Module, batch: Batch, tasks: Sequence[TaskSpec], precision: str
) -> dict[TaskName, Column]:
    device = next(iter(batch.inputs.values())).device
    with torch.inference_mode(), full_fp32(device), autocast(precision, device):
        outputs = net(batch.inputs)
    answers: dict[TaskName, Column] = {}
    for task in tasks:
        words = batch.words_of(task.name)
        values = at_words(outputs[task.name].float(), words).cpu().numpy()
        answers[task.name] = values if words is None else Ragged(values, words.offsets)
    return answers


def _metric_value(task: TaskSpec, split: EncodedSplit, logits: Column) -> float:
    decoded = task_kind(task.kind).decode(task, logits)
    truth = split.truth(task.name)
    leading = metric(task.metric)
    if isinstance(leading, Metric):
        return float(leading.value(leading.rows(task, truth, decoded).sum(axis=0)))
    return float(leading.value_weighted(task, truth, decoded, np.ones((1, len(split))))[0])
