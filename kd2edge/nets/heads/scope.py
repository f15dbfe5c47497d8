"""How far a row is in scope: the cosine of what a head reads to the nearest prototype."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: What a vector's largest number is taken for where it is smaller; half precision holds it.
LEAST = 1e-4


class Scope(nn.Module):
    """Cosine to the nearest prototype ``[batch, 1]``, of vectors taken from their middle.

    Normalised features and the nearest of many rows: Sun et al. 2022 (arXiv:2204.06507); the rows
    are centres of clusters here, a few for each label.

    Nothing of it is learned by gradients: it is fitted once a net is trained, and counted among its
    parameters all the same.

    Args:
        width: of the vectors.
        count: of prototypes.
    """

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.middle = nn.Parameter(torch.zeros(width), requires_grad=False)
        #: ``[width, prototype]``, each of length 1; its name tells it from weights of layers, see
        #: ``tasks.reject.MATRIX``.
        self.matrix = nn.Parameter(torch.zeros(width, count), requires_grad=False)

    def forward(self, vectors: Tensor) -> Tensor:
        apart = vectors - self.middle
        # Numbers of at most 1 first: the squares of others may be too large for half precision.
        apart = apart / apart.abs().amax(dim=1, keepdim=True).clamp_min(LEAST)
        length = apart.square().sum(dim=1, keepdim=True).sqrt()  # 1 at least, but next to 0
        # Divided behind the product: there it is one number a row.
        return (apart @ self.matrix).amax(dim=1, keepdim=True) / length.clamp_min(1.0)
