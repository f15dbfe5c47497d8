"""Items of rows: a row's words or places beside one another."""

from __future__ import annotations

from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


def padded(items: Tensor, counts: Tensor) -> Tensor:
    """Items ``[item, width]``, one row's after another's -> ``[row, longest, width]``, then zeros.

    Args:
        items: of a batch.
        counts: ``[row]`` of them; on the CPU, so that no GPU is waited for.
    """
    return pad_sequence(list(items.split(counts.tolist())), batch_first=True)


def mask_of(weights: Tensor, counts: Tensor) -> Tensor:
    """Weights ``[item]`` as ``[row, longest]``, 0 behind a row's last item."""
    return padded(weights[:, None], counts)[..., 0]
