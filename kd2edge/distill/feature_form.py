"""What a feature in shared form is like, and how it becomes the items that a loss compares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kd2edge.distill.features.grouped import padded
from kd2edge.distill.loss import Per
from kd2edge.errors import UsageError
from kd2edge.teacher.features import GRID, as_items


class Form(NamedTuple):
    """What a feature in shared form is like.

    Args:
        shape: of one row or word: ``(width,)`` or ``(channel, height, width)``.
        per_word: whether it is one a word.
    """

    shape: tuple[int, ...]
    per_word: bool

    def __str__(self) -> str:
        what = "map" if self.is_map else "vector"
        return f"a {what} {self.shape} a {'word' if self.per_word else 'row'}"

    @property
    def is_map(self) -> bool:
        """Whether a row has places."""
        return len(self.shape) == 3

    def width(self, per: Per) -> int:
        """Of the items that a loss of this ``per`` is given."""
        return math.prod(self.shape) if per == "whole" else self.shape[0]

    def items(self, per: Per) -> int | None:
        """How many of them a row has; None where that differs."""
        if per != "item":
            return 1
        return None if self.per_word else math.prod(self.shape[1:])


def form_of(path: str, feature: Tensor) -> Form:
    """The form of a module's output ``[batch, ...]``, without looking at any words.

    Raises:
        UsageError: an output that has none of the shared forms.
    """
    if feature.dim() not in (2, 3, 4):
        raise UsageError(
            f"feature {path}: {feature.dim()} dimensions; 2, 3 (words) or 4 (image) are known"
        )
    if feature.dim() == 3:
        return Form(tuple(feature.shape[2:]), True)
    channel, *places = feature.shape[1:]
    return Form((channel, *(min(GRID, side) for side in places)), False)


def common_grid(forms: Sequence[Form]) -> tuple[int, int] | None:
    """The finest grid of maps that all of them can be averaged down to; None for other features."""
    sides = [form.shape[1:] for form in forms if form.is_map]
    return (min(one[0] for one in sides), min(one[1] for one in sides)) if sides else None


class Items(NamedTuple):
    """Items of a batch, one row's after another's.

    Args:
        values: ``[item, width]``; those that do not count are arbitrary but finite.
        counted: ``[item]`` bool, on the CPU.
        counts: ``[row]`` int64, items of each row, on the CPU.
    """

    values: Tensor
    counted: Tensor
    counts: Tensor


def items_of(values: Tensor, counted: Tensor, counts: Tensor | None, per: Per) -> Items:
    """A feature in shared form as the items that a loss compares.

    Args:
        values: ``[all words, width]``, ``[batch, width]`` or ``[batch, channel, height, width]``;
            NaN where they do not count.
        counted: ``[all words]`` or ``[batch]`` bool, on the CPU: which of them there are.
        counts: ``[batch]`` words of each row, on the CPU; None where there are no words.
        per: what an item is to be.
    """
    finite = values if bool(counted.all()) else values.nan_to_num()
    if per == "item":
        items = as_items(finite)
        places = len(items) // max(len(finite), 1)  # 1 but for maps
        each = torch.full((len(finite),), places) if counts is None else counts
        return Items(items, counted.repeat_interleave(places), each)
    if counts is not None:
        finite, counted = _means_of_words(finite, counted, counts)
    elif finite.dim() == 4:
        finite = finite.flatten(1) if per == "whole" else finite.flatten(2).mean(-1)
    return Items(finite, counted, torch.ones(len(finite), dtype=torch.int64))


def _means_of_words(values: Tensor, counted: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each row's words that count ``[row, width]``, and whether it has any."""
    weights = counted.to(values.device, values.dtype)[:, None]
    sums = padded(torch.cat([values * weights, weights], 1), counts).sum(1)  # [row, width + 1]
    has_any = padded(counted[:, None], counts).any(1)[:, 0]  # [row]
    return sums[:, :-1] / sums[:, -1:].clamp(min=1), has_any
