"""How the vectors of a row's positions become one."""

from __future__ import annotations

import torch
from torch import Tensor

#: What the families of our own know: ``both`` is mean and maximum side by side.
POOLINGS = ("mean", "max", "both")

#: Below all that an encoder gives, and a number in fp16, too.
_HIDDEN = -1.0e4


def weighted_mean(sequence: Tensor, weights: Tensor, least: float = 1.0) -> Tensor:
    """Mean of each row's vectors by their weights: ``[batch, width]``; 0 where none weighs.

    Args:
        sequence: ``[batch, length, width]``.
        weights: ``[batch, length]``, none below 0, 0 for padding.
        least: what the sum of a row's weights is taken for where it is smaller; 1 where weights
            count positions.
    """
    weights = weights.to(sequence.dtype)[:, :, None]
    whole = weights.sum(1).clamp(min=least)  # of a row of padding alone, too
    return (sequence * weights).sum(1) / whole


def masked_max(sequence: Tensor, visible: Tensor) -> Tensor:
    """Largest value of each channel: ``[batch, width]``; 0 where nothing is visible.

    Args:
        sequence: ``[batch, length, width]``.
        visible: ``[batch, length]``, 1 or 0.
    """
    shown = visible.to(sequence.dtype)[:, :, None]
    # Hidden values go away by the product: added to -1e4, a large one would still be the largest.
    largest = (sequence * shown + (1.0 - shown) * _HIDDEN).amax(1)
    return largest * shown.amax(1)


def pooled(sequence: Tensor, visible: Tensor, pooling: str, mean: Tensor | None = None) -> Tensor:
    """One vector a row, ``[batch, width]``, of twice the width for ``both``.

    Args:
        sequence: ``[batch, length, width]``.
        visible: ``[batch, length]``, 1 or 0.
        pooling: one of :data:`POOLINGS`.
        mean: taken for the mean; None: that of the visible vectors.
    """
    if pooling == "max":
        return masked_max(sequence, visible)
    mean = weighted_mean(sequence, visible) if mean is None else mean
    return mean if pooling == "mean" else torch.cat([mean, masked_max(sequence, visible)], dim=-1)


def pooled_width(width: int, pooling: str) -> int:
    """Of the vector that :func:`pooled` makes of vectors of this ``width``."""
    return 2 * width if pooling == "both" else width
