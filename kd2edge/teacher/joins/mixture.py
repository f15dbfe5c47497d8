"""One distribution of several: the mean of what they say, in the form that losses read."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from kd2edge.tasks.spec import Activation


def mixture(
    logits: Tensor, shares: Tensor, temperature: float | Tensor, activation: Activation
) -> Tensor:
    """Logits ``[item, channel]`` whose softened distribution is the mean of the softened ones.

    For ``kl`` and ``cross_entropy`` the loss of this mean has the gradient of the mean of the
    losses, teacher by teacher.  Computed in logarithms: finite, and exact for chances that no
    float32 tells from 0 or 1.  Values are averaged as they are.

    Args:
        logits: ``[teacher, item, channel]``, finite.
        shares: ``[teacher, item]`` of the teachers, sums of 1; all 0 for an item nobody saw: NaN.
        temperature: what logits are divided by, and the result is multiplied with; one number, or
            ``[item, 1]``.
        activation: what makes chances of logits.
    """
    nobody = shares.sum(0) == 0  # [item]
    # The logarithm of no share at all would make the gradient of a learned temperature NaN.
    shares = shares.masked_fill(nobody, 1.0).unsqueeze(-1)
    return _mean(logits, shares, temperature, activation).masked_fill(
        nobody.unsqueeze(-1), torch.nan
    )


def _mean(
    logits: Tensor, shares: Tensor, temperature: float | Tensor, activation: Activation
) -> Tensor:
    if activation == "none":
        return (logits * shares).sum(0)
    soft, log_shares = logits / temperature, shares.log()
    if activation == "softmax":
        return torch.logsumexp(soft.log_softmax(-1) + log_shares, dim=0) * temperature
    yes = torch.logsumexp(F.logsigmoid(soft) + log_shares, dim=0)
    no = torch.logsumexp(F.logsigmoid(-soft) + log_shares, dim=0)
    return (yes - no) * temperature
