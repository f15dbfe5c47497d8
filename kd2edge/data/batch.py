"""What a training step sees of some rows.

Words are never padded here: what belongs to the words of a batch is *concatenated*, ``[all words, ...]``,
row after row.  Targets, the teachers' outputs and the student's word logits then have the same
first dimension, whatever tokenizer cut the words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.tasks.spec import MISSING, Ragged, TaskName


@final
@dataclass(frozen=True, slots=True)
class Words:
    """Where the words of a batch stand in one input.

    Args:
        index: ``[all words]`` int64, position of the first sub-word in ``batch * length`` (the padded
            array, flattened); -1 for a word that the length limit cut off.
        counts: ``[batch]`` words of each row, cut-off ones included.
        cut: whether any word was cut off (known here, so that a GPU need not be asked).
    """

    index: Tensor
    counts: npt.NDArray[np.int64]
    cut: bool

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each row's words begin in ``[all words]``: ``[batch + 1]``."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    def gather(self, values: Tensor) -> Tensor:
        """Values ``[batch, length, ...]`` at the words: ``[all words, ...]``; NaN for words cut off."""
        picked = values.flatten(0, 1)[self.index.clamp(min=0)]
        if self.cut:
            gone = (self.index < 0).view(-1, *([1] * (picked.dim() - 1)))
            picked = picked.masked_fill(gone, float("nan"))
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
        targets: task -> class indices, ``[batch]`` or ``[all words]``; ``MISSING`` where there is none.
        words: input name -> where its words stand, for inputs that have words.
    """

    positions: npt.NDArray[np.int64]
    view: int
    inputs: dict[str, Tensor]
    targets: dict[TaskName, Tensor]
    words: Mapping[str, Words]

    @property
    def has_label(self) -> dict[TaskName, Tensor]:
        """Task -> which items (rows or words) have a label."""
        return {task: target != MISSING for task, target in self.targets.items()}

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        return Batch(
            self.positions,
            self.view,
            {name: array.to(device, non_blocking=True) for name, array in self.inputs.items()},
            {task: target.to(device, non_blocking=True) for task, target in self.targets.items()},
            {name: words.to(device) for name, words in self.words.items()},
        )


def padded(ragged: Ragged, pad: int, dtype: str) -> npt.NDArray[np.generic]:
    """Rows of unequal length as ``[row, longest, ...]`` (at least one long), filled up with ``pad``."""
    lengths = np.diff(ragged.offsets)
    longest = max(1, int(lengths.max(initial=0)))
    full = np.full((ragged.rows, longest, *ragged.values.shape[1:]), pad, dtype=dtype)
    full[np.arange(longest) < lengths[:, None]] = ragged.values
    return full


def words_at(starts: Ragged, length: int) -> Words:
    """Words from their positions in each row (-1: cut off), in an array padded to ``length``."""
    counts = np.diff(starts.offsets)
    row_begin = np.repeat(np.arange(starts.rows) * length, counts)
    values = starts.values.astype(np.int64)
    index = np.where(values >= 0, values + row_begin, -1)
    return Words(torch.from_numpy(index), counts, cut=bool((values < 0).any()))
