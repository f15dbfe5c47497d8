"""A batch as one task sees it: its items, what the student and the teachers say of them."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.distill.knowledge import Knowledge
from kd2edge.tasks.spec import Activation, TaskName


class Said(NamedTuple):
    """What teachers say of items.

    Args:
        logits: ``[item, channel]`` fp32 on the device; finite, also for an item that nobody saw.
        seen: ``[item]`` on the CPU, which items student and teachers saw.
    """

    logits: Tensor
    seen: Tensor


@final
class Items:
    """The items (rows or words) of a task in a batch; teachers are asked when somebody looks.

    Args:
        task: its name.
        batch: the rows, *on the CPU*: there no GPU is waited for to find out what counts.
        output: the student's logits of the task, on the device.
        activation: what they become.
        knowledge: the teachers; None where the task has none.
    """

    def __init__(
        self,
        task: TaskName,
        batch: Batch,
        output: Tensor,
        activation: Activation,
        knowledge: Knowledge | None,
    ) -> None:
        words = batch.words_of(task)
        self.task = task
        self.batch = batch
        self.activation: Activation = activation
        self.device = output.device
        self._knowledge = knowledge
        self._said: list[Tensor] | None = None
        if words is None:
            self.logits = output.float()  # [batch, channel]
            self.seen = torch.ones(len(batch), dtype=torch.bool)
        else:
            self.logits = words.pick(output).float()  # [all words, channel]
            self.seen = words.index >= 0

    @property
    def are_words(self) -> bool:
        """Whether an item is a word: only those can be cut off."""
        return self.batch.words_of(self.task) is not None

    def targets(self) -> dict[str, Tensor]:
        """What the data says of each item, by field."""
        return {
            name: values.to(self.device, non_blocking=True)
            for name, values in self.batch.targets[self.task].items()
        }

    def said(self, temperature: float | Tensor) -> Said | None:
        """What the task's teachers say, several of them combined at a temperature; None: nobody."""
        if self._knowledge is None:
            return None
        if self._said is None:
            self._said = self._knowledge.said(self.task, self.batch)
        logits = self._knowledge.combined(self.task, self._said, temperature, self.activation)
        seen = self.seen
        if self.are_words:
            unseen = logits[:, 0].isnan()
            seen = seen & ~unseen
            logits = logits.masked_fill(unseen[:, None], 0.0)
        return Said(logits.to(self.device, non_blocking=True), seen)
