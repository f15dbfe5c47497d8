"""A batch as one task sees it: its items, what the student and the teachers say of them."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.distill.knowledge import Heard, Knowledge
from kd2edge.errors import DataError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Output, TaskSpec
from kd2edge.teacher.top_k import merged, placed, with_labels


class Said(NamedTuple):
    """What teachers say of items.

    Args:
        logits: ``[item, channel]`` fp32 on the device; finite, also for an item that nobody saw.
            Where their cache keeps the likeliest classes alone, ``[item, k + 1]``: the last is all
            others together.
        seen: ``[item]`` on the CPU, which items student and teachers saw.
        classes: ``[item, k]`` on the device, which classes the logits are of; None: of all.
        temperature: at which all others are together; one number, or ``[item, 1]``.
    """

    logits: Tensor
    seen: Tensor
    classes: Tensor | None
    temperature: float | Tensor

    def merged(self, student: Tensor) -> Tensor:
        """The student's logits ``[item, channel]`` of the classes that these are of."""
        if self.classes is None:
            return student
        return merged(student, self.classes, self.temperature)

    def placed(self, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Targets whose labels are among the classes that these are of."""
        if self.classes is None:
            return targets
        return {**targets, "labels": placed(targets["labels"], self.classes)}

    def with_labels(self, targets: dict[str, Tensor], channels: int) -> Said:
        """The same of classes among which each item's label is, for losses that look at it.

        Args:
            targets: of the items.
            channels: how many classes there are.
        """
        if self.classes is None:
            return self
        logits, classes = with_labels(
            self.logits, self.classes, targets["labels"], self.temperature, channels
        )
        return self._replace(logits=logits, classes=classes)


@final
class Items:
    """The items of an array of a task in a batch; teachers are asked when somebody looks.

    Args:
        task: whose they are.
        batch: the rows, *on the CPU*: there no GPU is waited for to find out what counts.
        name: of the array.
        output: what it is.
        values: the student's, on the device: ``[batch, ..., channel]``.
        knowledge: the teachers; None where the task has none.
    """

    def __init__(
        self,
        task: TaskSpec,
        batch: Batch,
        name: str,
        output: Output,
        values: Tensor,
        knowledge: Knowledge | None,
    ) -> None:
        words = batch.words_in(task, output, values)
        self.spec = task
        self.task = task.name
        #: Whether the data says something of each of them, and not of other things in a row.
        self.are_targets = task_kind(task.kind).per == output.per
        self._words = words
        self.batch = batch
        self.name = name
        self.output = output
        #: As the head gives it.
        self.array = values
        self.device = values.device
        self._knowledge = knowledge
        self._heard: Heard | None = None
        self._classes: Tensor | None = None
        if words is None:
            self.logits = values.float().flatten(0, -2)  # [item, channel]
            self.seen = torch.ones(len(self.logits), dtype=torch.bool)
        else:
            self.logits = words.pick(values).float()  # [all words, channel]
            self.seen = words.index >= 0

    @property
    def are_words(self) -> bool:
        """Whether rows have items of their own number, words or frames: those may be cut off."""
        return self._words is not None

    def labelled(self) -> Tensor:
        """What has a label and was seen ``[item of the target]``, on the CPU.

        Where the target has other items, a list of objects for the places of a map, those are rows.
        """
        found = self.batch.has_label(self.task)
        return found & self.seen if self.are_targets else found

    def counts(self) -> Tensor:
        """How many words or frames each row has, else 1 ``[row]``, on the CPU."""
        if self._words is None:
            return torch.ones(len(self.batch), dtype=torch.int64)
        return torch.from_numpy(self._words.counts)

    def rows(self) -> Tensor:
        """The global position of the row that each item belongs to ``[item]``, on the CPU."""
        positions = torch.from_numpy(self.batch.positions)
        if self._words is not None:
            return positions.repeat_interleave(torch.from_numpy(self._words.counts))
        return positions.repeat_interleave(len(self.logits) // max(len(positions), 1))

    def targets(self) -> dict[str, Tensor]:
        """What the data says of each item, by field."""
        return {
            name: values.to(self.device, non_blocking=True)
            for name, values in self.batch.targets[self.task].items()
        }

    def lack(self) -> float:
        """What the task's teachers lack of a perfect one on the validation rows.

        Raises:
            LookupError: nobody measured it.
        """
        if self._knowledge is None:
            raise LookupError(f"task {self.task} has no teacher")
        return self._knowledge.lacks[self.task]

    def told_by(self, peer: Items) -> Said:
        """What another net says of the same items in the same step.

        Args:
            peer: the items as that net sees them.

        Raises:
            DataError: it does not see the same words, places or frames.
        """
        same = self.logits.shape == peer.logits.shape
        if not same or not torch.equal(self.counts(), peer.counts()):
            raise DataError(
                f"{self.name}: nets that learn from each other do not see the same items in the"
                f" batch of row {int(self.batch.positions[0])}: {len(self.logits)} and"
                f" {len(peer.logits)}; let both read the same words (input kind tokens), and"
                " frames and maps of one size"
            )
        return Said(peer.logits, self.seen & peer.seen, None, 1.0)

    def said(self, temperature: float | Tensor) -> Said | None:
        """What the task's teachers say at a temperature; None: nobody.

        Of all classes of one teacher it is the same at each.

        Args:
            temperature: of the loss; one number, or ``[item, 1]``.
        """
        if self._knowledge is None:
            return None
        if self._heard is None:
            self._heard = self._knowledge.heard(
                self.name, self.task, self.output, self.batch, self._words
            )
            classes = self._heard.classes
            self._classes = None if classes is None else classes.to(self.device, non_blocking=True)
        logits = self._heard.at(temperature)
        seen = self.seen
        if self.are_words:
            unseen = logits[:, 0].isnan()
            seen = seen & ~unseen
            logits = logits.masked_fill(unseen[:, None], 0.0)
        logits = logits.to(self.device, non_blocking=True)
        return Said(logits, seen, self._classes, temperature)
