"""What a training step sees of some rows.

Words are never padded here: what belongs to the words of a batch is *concatenated*, row after row,
``[all words, ...]``.  Targets, the teachers' outputs and the student's word logits then have the
same first dimension, whatever tokenizer cut the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks.spec import MISSING, Output, TaskName, TaskSpec


@final
@dataclass(frozen=True, slots=True)
class Words:
    """Where the words of a batch stand in one input.

    Args:
        index: ``[all words]`` int64, position of the first sub-word in ``batch * length`` (the
            padded array, flattened); -1 for a word that the length limit cut off.
        counts: ``[batch]`` words of each row, cut-off ones included.
        cut: whether any word was cut off (known here, so that a GPU need not be asked).
    """

    index: Tensor
    counts: npt.NDArray[np.int64]
    cut: bool

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each row's words begin in ``[all words]``: ``[batch + 1]``."""
        return offsets_of(self.counts)

    def pick(self, values: Tensor) -> Tensor:
        """``[batch, length, ...]`` at the words, ``[all words, ...]``; anything where cut off."""
        index = self.index.to(values.device, non_blocking=True)
        return values.flatten(0, 1)[index.clamp(min=0) if self.cut else index]

    def gather(self, values: Tensor) -> Tensor:
        """``[batch, length, ...]`` at the words, ``[all words, ...]``; NaN where cut off."""
        picked = self.pick(values)  # [all words, ...]
        if self.cut:
            gone = (self.index < 0).view(-1, *([1] * (picked.dim() - 1)))
            picked = picked.masked_fill(gone.to(picked.device), float("nan"))
        return picked

    def to(self, device: torch.device) -> Words:
        """The same words on another device."""
        return Words(self.index.to(device, non_blocking=True), self.counts, self.cut)


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, ready for a net.

    Args:
        positions: global positions ``[batch]`` of the rows.
        view: which view of each row (see ``data.augment``).
        inputs: graph array name -> ``[batch, ...]``, padded to the longest row.
        targets: task -> field of its kind -> ``[item, ...]``: an item is a row, a word, a place, an
            object; those of all rows one after the other.
        words: input name -> where its words stand, for inputs that have words.
        word_inputs: token-level task -> the input whose words it labels.
        objects: task with lists of objects -> ``[all objects]`` the row of the batch of each.
        lengths: input with a dynamic length -> ``[batch]`` positions of each row, padding aside.
    """

    positions: npt.NDArray[np.int64]
    view: int
    inputs: dict[str, Tensor]
    targets: dict[TaskName, dict[str, Tensor]]
    words: Mapping[str, Words]
    word_inputs: Mapping[TaskName, str]
    objects: Mapping[TaskName, npt.NDArray[np.int64]] = field(default_factory=dict)
    lengths: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)

    def words_in(self, task: TaskSpec, output: Output, array: Tensor) -> Words | None:
        """Where the words or frames of a head's array stand; None where every item counts.

        Args:
            task: whose head it is.
            output: what the array is.
            array: ``[batch, ..., channel]`` as the head gives it.
        """
        if output.per == "frame":
            return frames_at(output.frames(self.lengths[task.input]), array.shape[1])
        return self.words_of(task.name) if output.per == "word" else None

    def words_of(self, task: TaskName) -> Words | None:
        """The words that a task labels; None for row-level tasks."""
        name = self.word_inputs.get(task)
        return None if name is None else self.words[name]

    def __len__(self) -> int:
        return len(self.positions)

    def has_label(self, task: TaskName) -> Tensor:
        """Which items have a label of a task: rows (also of objects), or words."""
        leading = next(iter(self.targets[task].values()))
        stated = ~leading.isnan() if leading.is_floating_point() else leading != MISSING
        if stated.dim() > 1:  # several numbers an item: one will do
            stated = stated.flatten(1).any(1)
        if task not in self.objects:
            return stated
        owners = torch.from_numpy(self.objects[task])  # [all objects]
        return torch.zeros(len(self), dtype=torch.bool).index_put((owners,), stated)

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        return Batch(
            self.positions,
            self.view,
            _moved(self.inputs, device),
            {task: _moved(fields, device) for task, fields in self.targets.items()},
            {name: words.to(device) for name, words in self.words.items()},
            self.word_inputs,
            self.objects,
            self.lengths,
        )


def _moved(tensors: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()}


def at_words(logits: Tensor, words: Words | None) -> Tensor:
    """Logits of a head as items: ``[batch, channel]`` as they are, or ``[all words, channel]``."""
    return logits if words is None else words.gather(logits)


def padded(ragged: Ragged, pad: int, dtype: str) -> npt.NDArray[np.generic]:
    """Rows of unequal length as ``[row, longest (or 1), ...]``, filled up with ``pad``."""
    lengths = ragged.lengths
    longest = max(1, int(lengths.max(initial=0)))
    full = np.full((ragged.rows, longest, *ragged.values.shape[1:]), pad, dtype=dtype)
    full[np.arange(longest) < lengths[:, None]] = ragged.values
    return full


def words_at(starts: Ragged, length: int) -> Words:
    """Words from their positions in each row (-1: cut off), in an array padded to ``length``."""
    row_begin = starts.owners * length  # [all words]
    values = starts.values.astype(np.int64)
    index = np.where(values >= 0, values + row_begin, -1)  # [all words]
    return Words(torch.from_numpy(index), starts.lengths, cut=bool((values < 0).any()))


def frames_at(counts: npt.NDArray[np.int64], length: int) -> Words:
    """The first so many positions of each row, in an array of ``length`` of them a row."""
    frames = Ragged(np.empty(int(counts.sum()), np.int8), offsets_of(counts))
    index = frames.owners * length + frames.places  # [all frames]
    return Words(torch.from_numpy(index), counts, cut=False)
