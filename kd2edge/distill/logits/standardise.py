"""Logit standardisation (Sun et al. 2024, 2403.01427).

The student need not reach the teacher's range of logits, only their relations.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

#: Two logits have the z-scores 1 and -1 whatever they were.
FEWEST_CHANNELS = 3
#: Added to the variance.  Equal logits, as fresh heads give them, have no spread to divide by: the
#: gradient is at most 1 / sqrt(1e-5) there, where the paper's 1e-7 beside the deviation lets 1e7.
_EPSILON = 1e-5


def standardised(logits: Tensor) -> Tensor:
    """Z-scores of every item's logits ``[item, channel]`` (the paper's algorithm 1).

    Mean 0 and deviation 1 over an item's channels, so at most ``sqrt(channels - 1)``: the
    temperature that divides them afterwards is the paper's base temperature.
    """
    return F.layer_norm(logits, logits.shape[-1:], eps=_EPSILON)
