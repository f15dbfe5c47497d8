"""Features in the form that teachers and students can share, whatever their tokenizers and strides.

- ``[batch, width]``: a vector a row, as it is.
- ``[batch, length, width]``: a vector a word, that of its first sub-word.
- ``[batch, channel, height, width]``: the map, averaged down to at most 4 x 4.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from kd2edge.data.batch import Batch, Words
from kd2edge.errors import UsageError

#: Side of the grid that a feature map is averaged down to: the cache stays small.
GRID = 4


class Shared(NamedTuple):
    """Values ``[batch, ...]``, or ``[all words, ...]`` with the words they belong to."""

    values: Tensor
    words: Words | None = None


def shared_form(path: str, feature: Tensor, batch: Batch) -> Shared:
    """A module's output in shared form; words that were cut off are NaN.

    Raises:
        UsageError: a feature that has another form, or is a sequence of no words.
    """
    if feature.dim() == 2:
        return Shared(feature)
    if feature.dim() == 4:
        height, width = feature.shape[2:]
        pooled = F.adaptive_avg_pool2d(feature, (min(GRID, height), min(GRID, width)))
        return Shared(pooled)
    if feature.dim() == 3:
        words = words_at(path, batch)
        return Shared(words.gather(feature), words)
    raise UsageError(
        f"feature {path}: {feature.dim()} dimensions; 2, 3 (words) or 4 (image) are known"
    )


def words_at(path: str, batch: Batch) -> Words:
    """The words that a module sees: of the input in front of its path, where there are several.

    Raises:
        UsageError: no input has words, or the path begins with none of several.
    """
    named = [*batch.words] if len(batch.words) == 1 else [path.partition(".")[0]]
    for name in named:
        if name in batch.words:
            return batch.words[name]
    raise UsageError(
        f"feature {path}: a sequence needs an input with words: one alone, or one that the path"
        f" begins with; there are {sorted(batch.words)}"
    )


def on_grid(student: Tensor, teacher: Tensor) -> Tensor:
    """The student's map ``[batch, channel, h, w]`` on the teacher's grid; others as they are."""
    if student.dim() == 4 and teacher.dim() == 4:
        height, width = teacher.shape[2:]
        return F.adaptive_avg_pool2d(student, (height, width))
    return student


def as_items(feature: Tensor) -> Tensor:
    """A feature in shared form as ``[item, width]``: every place of a map is an item."""
    return feature.flatten(2).transpose(1, 2).flatten(0, 1) if feature.dim() == 4 else feature
