"""Features in the form that teachers and students can share, whatever their tokenizers and strides.

- ``[batch, width]``: a vector a row, as it is.
- ``[batch, length, width]``: a vector a word, that of its first sub-word.
- ``[batch, channel, height, width]``: the map, averaged down to at most 4 x 4.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

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
        return Shared(on_grid(feature, (min(GRID, height), min(GRID, width))))
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


def on_grid(feature: Tensor, grid: tuple[int, int] | None) -> Tensor:
    """A map ``[batch, channel, h, w]`` averaged down to a grid; without one, and others, as is."""
    if grid is None or feature.dim() != 4 or tuple(feature.shape[2:]) == grid:
        return feature
    # As products: on a GPU the way back of torch's adaptive pooling sums in no fixed order.
    down, across = (
        _shares(side, number).to(feature)
        for side, number in zip(feature.shape[2:], grid, strict=True)
    )
    return down @ feature @ across.T


def _shares(side: int, number: int) -> Tensor:
    """How much each of ``side`` places counts in each of ``number`` means, ``[number, side]``.

    Means of neighbours that cover the side and may share a place, as adaptive pooling has them.
    """
    shares = torch.zeros(number, side)
    for at in range(number):
        begin, end = at * side // number, -(-(at + 1) * side // number)
        shares[at, begin:end] = 1 / (end - begin)
    return shares


def as_items(feature: Tensor) -> Tensor:
    """A feature in shared form as ``[item, width]``: every place of a map is an item."""
    return feature.flatten(2).transpose(1, 2).flatten(0, 1) if feature.dim() == 4 else feature
